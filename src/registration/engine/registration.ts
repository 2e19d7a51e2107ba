import { hex } from "#base/bytes.ts";
import { StorageError } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import type { Clock, Entropy, Timer } from "#host/host.ts";
import type { MemberId } from "#overlay/types.ts";
import type { AccountRow, Added, ChannelRow, PasswordHasher, Store } from "#store/index.ts";
import type { ChannelRecord } from "#tv/types.ts";
import { type Account, FAULTS, type Failure, type RegistrationTopics, type SubscriberRecord } from "../types.ts";
import { Failures } from "./failures.ts";
import type { Placement } from "./placement.ts";
import { checkKbps, checkName, checkPassword, checkText, failure, RULES } from "./rules.ts";
import { ha1s, newDeviceSecret, newSession, sessionHash } from "./secrets.ts";

/** What registration makes happen elsewhere. */
export interface RegistrationPorts {
  /** The DSs that take users now. */
  servingDs(): readonly MemberId[];
  pushSubscriber(subscriber: SubscriberRecord): void;
  pushChannel(channel: ChannelRecord): void;
  /** Tells whoever looks after it why the store does not do what it is asked, once. */
  storeFailed(cause: string): void;
  /** It does again. */
  storeMended(): void;
}
export interface RegistrationMeans {
  /** The domain of all AORs, and the realm of their digests. */
  readonly domain: string;
  readonly placement: Placement;
  readonly store: Store;
  readonly hasher: PasswordHasher;
  readonly host: Clock & Entropy;
  readonly ports: RegistrationPorts;
}
/** An account that is known beforehand, such as a demo's. */
export interface SampleAccount {
  readonly user: string;
  readonly password: string;
  readonly deviceSecret: string;
  readonly home: MemberId;
  readonly accessKbps: number;
  /** Default mode: `open`. */
  readonly channels: readonly (Omit<ChannelRecord, "owner" | "mode"> & Partial<Pick<ChannelRecord, "mode">>)[];
}
/** What others sent; nothing is known of its fields. */
export type Asked = Readonly<Record<string, unknown>>;
type Replied<T extends keyof RegistrationTopics> = RegistrationTopics[T]["reply"];

const DAY_MS = 24 * 60 * 60_000;
/** A session ends when it was not used for so long. */
const SESSION_MS = 30 * DAY_MS;
const NO_SESSION = failure(FAULTS.noSession, "You are not signed in. Please sign in.");
const WRONG_PASSWORD = failure(FAULTS.wrongPassword, "The name or the password is wrong.", "password");
const TOO_MANY_FAILURES = failure(FAULTS.full, "Too many failed sign-ins. Please try again in a quarter of an hour.");
const BUSY = failure(FAULTS.full, "The service is busy. Please try again in a moment.");
const UNAVAILABLE = failure(FAULTS.unavailable, "Accounts cannot be used right now. Please try again in a few minutes.");
const NO_SERVER = failure(FAULTS.full, "No server can take new users right now. Please try again in a minute.");

/**
 * Accounts, sessions, device secrets and channels [B5] [B10]: the answers to `RegistrationTopics`. What was answered is on
 * the disk, and pushed to the DSs before the answer is given.
 */
export class Registration {
  readonly #means: RegistrationMeans;
  readonly #failuresOfUser = new Failures(LIMITS.signInFailuresPerUser);
  readonly #failuresOfAddress = new Failures(LIMITS.signInFailuresPerAddress);
  #hashing = 0;
  #idle: (() => void) | undefined;
  /** Why the store cannot be used at the moment; undefined = it can. */
  #fault: string | undefined;
  #probe: Timer | undefined;
  /** Another after every change, and after a restart. */
  #version: string;
  /** Plain fields for /metrics. */
  readonly counters = { signUps: 0, signIns: 0, wrongPasswords: 0, tooManyFailures: 0, busy: 0, storeFailures: 0 };

  constructor(means: RegistrationMeans) {
    this.#means = means;
    this.#version = this.#newVersion();
  }

  signUp(asked: Asked, done: (reply: Replied<"registration.sign-up">) => void): void {
    const newcomer = this.#checkSignUp(asked);
    if ("error" in newcomer) {
      done(newcomer);
      return;
    }
    const { password, channels, ...account } = newcomer;
    const hashed = this.#counted((passwordHash: string) => {
      const signUp = (): Replied<"registration.sign-up"> => {
        const added = this.#addAccount({ ...account, passwordHash }, channels);
        if (!added.ok) return nameTaken(added.name, "user");
        this.counters.signUps++;
        return this.#signedIn(account.user);
      };
      done(this.attempt(signUp));
    });
    this.#means.hasher.hash(password, hashed);
  }

  /** Takes as long for a user that does not exist as for a wrong password. */
  signIn(asked: Asked, done: (reply: Replied<"registration.sign-in">) => void): void {
    const { user, password, address } = asked;
    if (typeof user !== "string" || typeof password !== "string" || password.length > RULES.password.max) {
      done(WRONG_PASSWORD);
      return;
    }
    const source = typeof address === "string" ? address : "";
    const refusal = this.#beginSignIn(user, source);
    if (refusal) {
      done(refusal);
      return;
    }
    const verified = this.#counted((same: boolean) => {
      if (same) {
        this.#failuresOfUser.undo(user);
        this.#failuresOfAddress.undo(source);
        this.counters.signIns++;
      } else this.counters.wrongPasswords++;
      done(same ? this.attempt(() => this.#signedIn(user)) : WRONG_PASSWORD);
    });
    const { store, hasher } = this.#means;
    const account = store.account(user);
    if (account) hasher.verify(password, account.passwordHash, verified);
    else hasher.hash(password, () => verified(false));
  }

  signOut({ session }: Asked): Replied<"registration.sign-out"> {
    if (typeof session === "string") this.#means.store.removeSession(sessionHash(this.#means.host, session));
    return { ok: true };
  }

  session(asked: Asked): Replied<"registration.session"> {
    const account = this.#accountOf(asked);
    return account ? this.#show(account) : NO_SESSION;
  }

  deviceSecrets(asked: Asked): Replied<"registration.device-secrets"> {
    const account = this.#accountOf(asked);
    if (!account) return NO_SESSION;
    const secrets = this.#means.store.deviceSecrets(account.user);
    return { secrets: secrets.map(({ id, label, createdWallMs }) => ({ id, label, createdWallMs })) };
  }

  addDeviceSecret(asked: Asked): Replied<"registration.add-device-secret"> {
    const account = this.#accountOf(asked);
    if (!account) return NO_SESSION;
    const wrong = checkText(asked.label, RULES.label, "label");
    if (wrong) return wrong;
    if (this.#means.store.deviceSecrets(account.user).length >= LIMITS.deviceSecretsPerUser) {
      return failure(
        FAULTS.full,
        `You have ${LIMITS.deviceSecretsPerUser} device secrets, the most there can be. Revoke one first.`,
      );
    }
    const secret = newDeviceSecret(this.#means.host);
    const id = this.#keepDeviceSecret(account.user, textOf(asked.label), secret);
    this.#push(account);
    return { id, secret };
  }

  revokeDeviceSecret(asked: Asked): Replied<"registration.revoke-device-secret"> {
    const account = this.#accountOf(asked);
    if (!account) return NO_SESSION;
    const removed = this.#means.store.removeDeviceSecret(account.user, textOf(asked.id));
    if (!removed) return failure(FAULTS.unknown, "You have no such device secret.");
    this.#push(account);
    return { ok: true };
  }

  addChannel(asked: Asked): Replied<"registration.add-channel"> {
    const account = this.#accountOf(asked);
    if (!account) return NO_SESSION;
    const channel = readChannel(account.user, asked);
    if ("error" in channel) return channel;
    if (this.#means.store.channels(account.user).length >= LIMITS.channelsPerUser) {
      return failure(FAULTS.full, `You have ${LIMITS.channelsPerUser} channels, the most there can be.`);
    }
    const added = this.#means.store.addChannel(channel);
    if (!added.ok) return nameTaken(added.name, "name");
    this.#pushChannel(channel);
    return channel;
  }

  channels(): Replied<"registration.channels"> {
    return { channels: [...this.#means.store.channels()] };
  }

  catchUp({ after, unless }: Asked): Exclude<Replied<"registration.catch-up">, Failure> {
    const { store } = this.#means;
    const version = this.#version;
    if (unless === version) return { version, subscribers: [], channels: [] };
    const accounts = store.accounts(textOf(after), LIMITS.catchUpSubscribers);
    const subscribers = accounts.map((account) => this.#subscriber(account));
    const channels = accounts.flatMap(({ user }) => store.channels(user));
    const last = accounts.length === LIMITS.catchUpSubscribers ? accounts.at(-1) : undefined;
    return { version, subscribers, channels, ...(last && { next: last.user }) };
  }

  /** Makes what is missing of a known account; throws when its name stands for something else. */
  ensureAccount(sample: SampleAccount, done: () => void): void {
    const { store, hasher } = this.#means;
    if (store.account(sample.user)) {
      this.#complete(sample);
      done();
      return;
    }
    const { user, password, accessKbps, home } = sample;
    const hashed = this.#counted((passwordHash: string) => {
      const added = this.#addAccount({ user, passwordHash, accessKbps, home }, []);
      if (!added.ok) throw new Error(`The name ${added.name} is taken: it cannot be that of a sample account`);
      this.#complete(sample);
      done();
    });
    hasher.hash(password, hashed);
  }

  get fault(): string | undefined {
    return this.#fault;
  }
  /** What `act` answers. A store that cannot be read or written is a failure, and is tried until it can, unless it is damaged. */
  attempt<R>(act: () => R): R | Failure {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#storeFailed(error);
      return UNAVAILABLE;
    }
  }

  /** Calls back once no password is being hashed any more: then the store may be closed. */
  stop(stopped: () => void): void {
    const end = (): void => {
      this.#probe?.cancel();
      stopped();
    };
    if (this.#hashing === 0) end();
    else this.#idle = end;
  }

  #storeFailed({ code, message }: StorageError): void {
    this.counters.storeFailures++;
    if (this.#fault === undefined) this.#means.ports.storeFailed(message);
    this.#fault = message;
    const { host } = this.#means;
    if (code === "failed") this.#probe ??= host.timer(host.nowMs() + LIMITS.storeProbeMs, () => this.#tryStore());
  }
  #tryStore(): void {
    this.#probe = undefined;
    this.attempt(() => {
      this.#means.store.probe();
      this.#fault = undefined;
      this.#means.ports.storeMended();
    });
  }

  /** What is to be done with a hash, counted among those under way until it is done. */
  #counted<R>(then: (result: R) => void): (result: R) => void {
    this.#hashing++;
    return (result) => {
      this.#hashing--;
      then(result);
      if (this.#hashing === 0) this.#idle?.();
    };
  }

  #complete({ user, deviceSecret, channels }: SampleAccount): void {
    const { store, host, domain } = this.#means;
    const { ha1Sha256 } = ha1s(host, user, domain, deviceSecret);
    const known = store.deviceSecrets(user).some((secret) => secret.ha1Sha256 === ha1Sha256);
    if (!known) this.#keepDeviceSecret(user, "Sample device", deviceSecret);
    const account = store.account(user);
    if (account) this.#push(account);
    for (const wanted of channels) {
      const channel: ChannelRow = { mode: "open", ...wanted, owner: user };
      const held = store.channel(channel.name);
      if (held?.owner === user) continue;
      if (held || !store.addChannel(channel).ok)
        throw new Error(`The name ${channel.name} is taken: it cannot be a sample channel`);
      this.#pushChannel(channel);
    }
  }

  #checkSignUp(asked: Asked): Newcomer | Failure {
    const wanted = readSignUp(asked);
    if ("error" in wanted) return wanted;
    const { store, placement, ports } = this.#means;
    const names = [wanted.user, ...wanted.channels.map(({ name }) => name)];
    const taken = names.find((name) => store.account(name) ?? store.channel(name));
    if (taken !== undefined) return nameTaken(taken, "user");
    const home = placement.nearest(wanted.address, ports.servingDs(), store.accountsByHome());
    if (home === undefined) return NO_SERVER;
    if (this.#hashing >= LIMITS.passwordHashesAtOnce) return this.#busy();
    const { user, password, accessKbps, channels } = wanted;
    return { user, password, accessKbps, channels, home };
  }

  #beginSignIn(user: string, source: string): Failure | undefined {
    if (this.#hashing >= LIMITS.passwordHashesAtOnce) return this.#busy();
    const nowMs = this.#means.host.nowMs();
    if (this.#failuresOfAddress.begin(source, nowMs)) {
      if (this.#failuresOfUser.begin(user, nowMs)) return undefined;
      this.#failuresOfAddress.undo(source);
    }
    this.counters.tooManyFailures++;
    return TOO_MANY_FAILURES;
  }

  #busy(): Failure {
    this.counters.busy++;
    return BUSY;
  }

  #addAccount(account: Omit<AccountRow, "createdWallMs">, channels: readonly ChannelRow[]): Added {
    const { store, host } = this.#means;
    const row: AccountRow = { ...account, createdWallMs: host.wallMs() };
    const added = store.addAccount(row, channels);
    if (!added.ok) return added;
    this.#push(row);
    for (const channel of channels) this.#pushChannel(channel);
    return added;
  }

  #signedIn(user: string): { session: string; account: Account } | Failure {
    const { store, host } = this.#means;
    const account = store.account(user);
    if (!account) return WRONG_PASSWORD; // removed while its password was checked
    const session = newSession(host);
    store.removeExpiredSessions(host.wallMs());
    store.addSession(sessionHash(host, session), user, host.wallMs() + SESSION_MS, LIMITS.sessionsPerUser);
    return { session, account: this.#show(account) };
  }

  /** Whose session it is. Use prolongs it, written at most once a day. */
  #accountOf({ session }: Asked): AccountRow | undefined {
    if (typeof session !== "string") return undefined;
    const { store, host } = this.#means;
    const hash = sessionHash(host, session);
    const held = store.session(hash);
    const leftMs = (held?.expiresWallMs ?? 0) - host.wallMs();
    if (held === undefined || leftMs <= 0) return undefined;
    if (leftMs < SESSION_MS - DAY_MS) this.attempt(() => store.extendSession(hash, host.wallMs() + SESSION_MS));
    return store.account(held.user);
  }

  #keepDeviceSecret(user: string, label: string, secret: string): string {
    const { store, host, domain } = this.#means;
    const id = hex(host.random(8));
    store.addDeviceSecret({ id, user, label, createdWallMs: host.wallMs(), ...ha1s(host, user, domain, secret) });
    return id;
  }

  #push(account: AccountRow): void {
    this.#version = this.#newVersion();
    this.#means.ports.pushSubscriber(this.#subscriber(account));
  }

  #pushChannel(channel: ChannelRow): void {
    this.#version = this.#newVersion();
    this.#means.ports.pushChannel(channel);
  }
  #newVersion(): string {
    return hex(this.#means.host.random(8));
  }

  #subscriber({ user, home, accessKbps }: AccountRow): SubscriberRecord {
    const secrets = this.#means.store.deviceSecrets(user);
    return { user, home, accessKbps, ha1: secrets.map(({ id, ha1Md5, ha1Sha256 }) => ({ id, md5: ha1Md5, sha256: ha1Sha256 })) };
  }

  #show({ user, home, accessKbps }: AccountRow): Account {
    const { domain, store } = this.#means;
    return { user, domain, aor: `sip:${user}@${domain}`, home, accessKbps, channels: store.channels(user) };
  }
}

/** A sign-up that may be written. */
interface Newcomer {
  readonly user: string;
  readonly password: string;
  readonly accessKbps: number;
  readonly home: MemberId;
  readonly channels: readonly ChannelRow[];
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
const nameTaken = (name: string, field: string): Failure =>
  failure(FAULTS.nameTaken, `The name “${name}” is taken. Please choose another.`, field);

function readSignUp(asked: Asked): (Omit<Newcomer, "home"> & { readonly address: string }) | Failure {
  const { user, password, address, accessKbps = RULES.accessKbps.default, channelTitle } = asked;
  const wrong = checkName(user, "user") ?? checkPassword(password) ?? checkKbps(accessKbps, RULES.accessKbps, "accessKbps");
  if (wrong) return wrong;
  const account = { user: textOf(user), password: textOf(password), accessKbps: Number(accessKbps), address: textOf(address) };
  if (channelTitle === undefined) return { ...account, channels: [] };
  const channel = readChannel(account.user, { name: `${account.user}-tv`, title: channelTitle, kbps: RULES.channelKbps.default });
  if ("error" in channel) return { ...channel, field: channel.field === "name" ? "user" : "channelTitle" };
  return { ...account, channels: [channel] };
}

function readChannel(owner: string, { name, title, kbps, mode = "open" }: Asked): ChannelRow | Failure {
  const wrong = checkName(name, "name") ?? checkText(title, RULES.title, "title") ?? checkKbps(kbps, RULES.channelKbps, "kbps");
  if (wrong) return wrong;
  if (mode !== "open" && mode !== "ask")
    return failure(FAULTS.badValue, "A channel is open, or its broadcaster is asked.", "mode");
  return { name: textOf(name), owner, title: textOf(title).trim(), mode, kbps: Number(kbps) };
}
