/**
 * Digest access authentication (RFC 3261 §22, RFC 7616, RFC 8760): the challenger of a server and the answers of a client.
 * Algorithms: SHA-256 and MD5; protection: qop=auth.
 */
import { hex, own } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Clock, DigestAlgorithm, Entropy } from "#host/host.ts";
import type { HeaderField } from "../wire/headers.ts";
import { quote } from "../wire/lex.ts";
import type { SipRequest, SipResponse } from "../wire/message.ts";
import { formatUri } from "../wire/uri.ts";
import type { Credentials } from "./call-types.ts";

type Hasher = Pick<Entropy, "digestHex">;

/** H(user:realm:secret) in hex: what a server keeps instead of the secret (RFC 7616 §3.4.2). */
export const ha1 = (hasher: Hasher, algorithm: DigestAlgorithm, user: string, realm: string, secret: string): string =>
  hasher.digestHex(algorithm, `${user}:${realm}:${secret}`);

/** What a digest is made of besides H(A1). `nc` and `cnonce` only where the server offered qop. */
export interface DigestInput {
  readonly method: string;
  readonly uri: string;
  readonly nonce: string;
  readonly counted?: { readonly nc: string; readonly cnonce: string };
}
/** The `response` parameter: with qop=auth, or as RFC 2069 had it where no qop was offered (RFC 7616 §3.4.1). */
export function digestResponse(hasher: Hasher, algorithm: DigestAlgorithm, a1: string, input: DigestInput): string {
  const a2 = hasher.digestHex(algorithm, `${input.method}:${input.uri}`);
  const middle = input.counted ? `${input.nonce}:${input.counted.nc}:${input.counted.cnonce}:auth` : input.nonce;
  return hasher.digestHex(algorithm, `${a1}:${middle}:${a2}`);
}

type DigestParams = ReadonlyMap<string, string>;
const PARAM = /[\s,]*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/y;
const unescaped = (text: string): string => (text.includes("\\") ? text.replace(/\\(.)/g, "$1") : text);

/** The parameters of a Digest challenge or of Digest credentials; `undefined` for another scheme or broken grammar. */
export function parseDigest(value: string): DigestParams | undefined {
  const scheme = /^\s*digest\s+/i.exec(value);
  if (!scheme) return undefined;
  const params = new Map<string, string>();
  PARAM.lastIndex = scheme[0].length;
  let end = PARAM.lastIndex;
  for (let found = PARAM.exec(value); found; found = PARAM.exec(value)) {
    end = PARAM.lastIndex;
    const [, name = "", quoted, token = ""] = found;
    params.set(name.toLowerCase(), quoted === undefined ? token : unescaped(quoted));
  }
  return value.slice(end).trim() === "" ? params : undefined;
}

function algorithmOf(params: DigestParams): DigestAlgorithm | undefined {
  const name = (params.get("algorithm") ?? "MD5").toUpperCase();
  return name === "MD5" || name === "SHA-256" ? name : undefined;
}
/** Of all header fields of that name, those that can be read. */
function* digestsIn(fields: readonly HeaderField[], name: string): Iterable<DigestParams> {
  for (const field of fields) {
    const params = field.name === name ? parseDigest(field.value) : undefined;
    if (params) yield params;
  }
}
/** The first of that name for that realm. */
function digestFor(realm: string, fields: readonly HeaderField[], name: string): DigestParams | undefined {
  for (const params of digestsIn(fields, name)) if (params.get("realm") === realm) return params;
  return undefined;
}

/** Takes as long whatever differs. */
export function sameText(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let at = 0; at < a.length; at++) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}

/** The device secrets of a user, as hashes under the realm. A user may have several; any of them will do. */
export interface CredentialStore {
  ha1s(user: string): readonly { readonly id: string; readonly md5: string; readonly sha256: string }[];
}
export interface ChallengerConfig {
  readonly realm: string;
  /** Offered in this order (RFC 8760 §2.3). Default SHA-256, MD5. */
  readonly algorithms?: readonly DigestAlgorithm[];
  /** How long a nonce serves, s. 10..3600, default 300. */
  readonly nonceLifetimeSec?: number;
}
/** As a user agent server (401) or as a proxy (407), RFC 3261 §22.2, §22.3. */
export type ChallengeAs = "server" | "proxy";
export type DigestOutcome =
  | { readonly ok: true; readonly user: string /** Which device secret. */; readonly secretId: string }
  | {
      readonly ok: false;
      readonly status: 401 | 407;
      /** For the response: one challenge an algorithm. */
      readonly headers: readonly (readonly [name: string, value: string])[];
      /** The secret was right, only the nonce has to be a new one. */
      readonly stale: boolean;
      readonly reason: "missing" | "unusable" | "wrong" | "stale" | "replayed";
    };

const CHALLENGE = {
  server: { status: 401, credentials: "authorization", challenge: "WWW-Authenticate" },
  proxy: { status: 407, credentials: "proxy-authorization", challenge: "Proxy-Authenticate" },
} as const;
/** Clocks of one operator's servers may differ by this much, ms. */
const CLOCK_SKEW_MS = 30_000;
const MAC_DIGITS = 32;

/**
 * Challenges requests and checks their credentials. A nonce is `time-random-MAC` under the operator's key, so that every
 * server of the operator takes it and none has to remember it. Each nonce count is taken once by this server; another
 * server of the operator would take it once more within the nonce's lifetime (who minds that uses TLS or WSS).
 * The digest-uri is hashed but not compared with the Request-URI: proxies rewrite that one (RFC 8760 §2.6 item 6).
 */
export class Challenger {
  readonly #ports: { readonly host: Pick<Clock, "wallMs"> & Entropy; readonly credentials: CredentialStore };
  readonly #key: Uint8Array;
  readonly #realm: string;
  readonly #algorithms: readonly DigestAlgorithm[];
  readonly #lifetimeMs: number;
  readonly #counts = new NonceCounts();

  constructor(
    ports: { host: Pick<Clock, "wallMs"> & Entropy; credentials: CredentialStore },
    operatorKey: Uint8Array,
    config: ChallengerConfig,
  ) {
    this.#ports = ports;
    this.#key = operatorKey;
    this.#realm = config.realm;
    this.#algorithms = config.algorithms ?? ["SHA-256", "MD5"];
    this.#lifetimeMs = (config.nonceLifetimeSec ?? 300) * 1_000;
  }

  check(request: SipRequest, as: ChallengeAs): DigestOutcome {
    const params = digestFor(this.#realm, request.headers.fields(), CHALLENGE[as].credentials);
    if (!params) return this.#challenge(as, "missing");
    const [user, nonce, nc] = [params.get("username"), params.get("nonce"), Number.parseInt(params.get("nc") ?? "", 16)];
    const algorithm = algorithmOf(params);
    if (user === undefined || nonce === undefined || !(nc > 0) || params.get("qop") !== "auth") {
      return this.#challenge(as, "unusable");
    }
    if (algorithm === undefined || !this.#algorithms.includes(algorithm)) return this.#challenge(as, "unusable");
    const secretId = this.#matching(request.method, user, algorithm, params);
    if (secretId === undefined) return this.#challenge(as, "wrong");
    const issuedMs = this.#issuedMs(nonce);
    if (issuedMs === undefined) return this.#challenge(as, "stale");
    if (!this.#counts.take(nonce, issuedMs, nc)) return this.#challenge(as, "replayed");
    return { ok: true, user, secretId };
  }

  #matching(method: string, user: string, algorithm: DigestAlgorithm, params: DigestParams): string | undefined {
    const of = (name: string): string => params.get(name) ?? "";
    const counted = { nc: of("nc"), cnonce: of("cnonce") };
    const input: DigestInput = { method, uri: of("uri"), nonce: of("nonce"), counted };
    const response = of("response").toLowerCase();
    for (const { id, md5, sha256 } of this.#ports.credentials.ha1s(user)) {
      const a1 = algorithm === "MD5" ? md5 : sha256;
      if (sameText(response, digestResponse(this.#ports.host, algorithm, a1, input))) return id;
    }
    return undefined;
  }

  #challenge(as: ChallengeAs, reason: "missing" | "unusable" | "wrong" | "stale" | "replayed"): DigestOutcome {
    const stale = reason === "stale" || reason === "replayed";
    const nonce = this.#nonce();
    const headers = this.#algorithms.map((algorithm) => {
      const value = `Digest realm=${quote(this.#realm)}, nonce="${nonce}", algorithm=${algorithm}, qop="auth"`;
      return [CHALLENGE[as].challenge, stale ? `${value}, stale=true` : value] as const;
    });
    return { ok: false, status: CHALLENGE[as].status, headers, stale, reason };
  }

  #nonce(): string {
    const claim = `${this.#ports.host.wallMs().toString(36)}-${hex(this.#ports.host.random(8))}`;
    return `${claim}-${this.#mac(claim)}`;
  }
  #mac(claim: string): string {
    return this.#ports.host.hmacHex("SHA-256", this.#key, `sip nonce ${claim}`).slice(0, MAC_DIGITS);
  }
  /** When an operator's server made this nonce, ms of `wallMs`; `undefined` when none did, or too long ago. */
  #issuedMs(nonce: string): number | undefined {
    const macAt = nonce.lastIndexOf("-") + 1;
    if (macAt === 0 || !sameText(nonce.slice(macAt), this.#mac(nonce.slice(0, macAt - 1)))) return undefined;
    const issuedMs = Number.parseInt(nonce, 36);
    const ageMs = this.#ports.host.wallMs() - issuedMs;
    return ageMs <= this.#lifetimeMs && ageMs >= -CLOCK_SKEW_MS ? issuedMs : undefined;
  }
}

/**
 * The highest nonce count taken with each nonce (RFC 7616 §3.4.5). Only credentials that were right come here, so that
 * strangers cannot fill it. When it is full the older half goes, and with it every unknown nonce that is no younger.
 */
class NonceCounts {
  #younger = new Map<string, { nc: number }>();
  #older: ReadonlyMap<string, { nc: number }> = new Map();
  #youngestMs = -Infinity; // of all that are known
  #youngestOlderMs = -Infinity;
  #forgottenMs = -Infinity;

  take(nonce: string, issuedMs: number, nc: number): boolean {
    const known = this.#younger.get(nonce) ?? this.#older.get(nonce);
    if (known) {
      if (nc <= known.nc) return false;
      known.nc = nc;
      return true;
    }
    if (issuedMs <= this.#forgottenMs) return false;
    if (this.#younger.size >= LIMITS.sipNonces / 2) this.#forgetOlder();
    this.#younger.set(own(nonce), { nc });
    this.#youngestMs = Math.max(this.#youngestMs, issuedMs);
    return true;
  }

  #forgetOlder(): void {
    this.#forgottenMs = this.#youngestOlderMs;
    this.#older = this.#younger;
    this.#youngestOlderMs = this.#youngestMs;
    this.#younger = new Map();
  }
}

interface Answerable {
  readonly field: "authorization" | "proxy-authorization";
  readonly realm: string;
  readonly nonce: string;
  readonly algorithm: DigestAlgorithm;
  readonly opaque: string | undefined;
  readonly qop: boolean;
  readonly a1: string;
  nc: number;
}
const STRENGTH: Readonly<Record<DigestAlgorithm, number>> = { MD5: 1, "SHA-256": 2 };
const ANSWERS = { 401: ["www-authenticate", "authorization"], 407: ["proxy-authenticate", "proxy-authorization"] } as const;

/**
 * The client's side: learns challenges and signs requests with them, also later ones, counting each use of a nonce
 * (RFC 3261 §22.2, §22.3). Of several algorithms in a realm the strongest is taken (RFC 8760 §2.4 leaves it to policy).
 */
export class DigestClient {
  readonly #entropy: Entropy;
  readonly #credentials: Credentials;
  readonly #challenges = new Map<string, Answerable>();

  constructor(entropy: Entropy, credentials: Credentials) {
    this.#entropy = entropy;
    this.#credentials = credentials;
  }

  /** The request with credentials for every realm that has challenged us so far: itself where none has. */
  sign(request: SipRequest): SipRequest {
    if (this.#challenges.size === 0) return request;
    const headers = request.headers.clone().remove("authorization").remove("proxy-authorization");
    for (const challenge of this.#challenges.values()) headers.add(challenge.field, this.#answer(challenge, request));
    return { ...request, headers };
  }

  /**
   * Learns from the 401 or 407 to `request`, which was repeated `repeats` times for such answers before. True: sign it
   * again, with a new CSeq. False: give up, because nothing here can be answered, or because an answer to a fresh nonce
   * was refused, i.e. the secret is wrong.
   */
  challenged(request: SipRequest, response: SipResponse, repeats: number): boolean {
    if (response.status !== 401 && response.status !== 407) return false;
    if (repeats >= LIMITS.sipDigestRepeats) return false;
    const [challengeName, field] = ANSWERS[response.status];
    const best = new Map<string, DigestParams>();
    for (const params of digestsIn(response.headers.fields(), challengeName)) {
      const realm = params.get("realm") ?? "";
      if (strength(params) > strength(best.get(realm))) best.set(realm, params);
    }
    if (best.size === 0) return false;
    for (const [realm, params] of best) {
      if (refused(request, field, realm, params)) return false;
      this.#learn(field, realm, params);
    }
    return true;
  }

  #learn(field: Answerable["field"], realm: string, params: DigestParams): void {
    const algorithm = algorithmOf(params) ?? "MD5";
    const qops = params
      .get("qop")
      ?.split(",")
      .map((qop) => qop.trim().toLowerCase());
    const a1 = ha1(this.#entropy, algorithm, this.#credentials.user, realm, this.#credentials.password);
    const [nonce, opaque, qop] = [params.get("nonce") ?? "", params.get("opaque"), qops !== undefined];
    this.#challenges.set(`${field} ${realm}`, { field, realm, nonce, algorithm, opaque, qop, a1, nc: 0 });
  }

  #answer(challenge: Answerable, request: SipRequest): string {
    challenge.nc++;
    const uri = formatUri(request.uri);
    const counted = { nc: challenge.nc.toString(16).padStart(8, "0"), cnonce: hex(this.#entropy.random(8)) };
    const input = { method: request.method, uri, nonce: challenge.nonce, ...(challenge.qop && { counted }) };
    const parts = [
      `Digest username=${quote(this.#credentials.user)}, realm=${quote(challenge.realm)}, nonce=${quote(challenge.nonce)}`,
      `uri=${quote(uri)}, response="${digestResponse(this.#entropy, challenge.algorithm, challenge.a1, input)}"`,
      `algorithm=${challenge.algorithm}`,
    ];
    if (challenge.opaque !== undefined) parts.push(`opaque=${quote(challenge.opaque)}`);
    if (challenge.qop) parts.push(`qop=auth, nc=${counted.nc}, cnonce="${counted.cnonce}"`);
    return parts.join(", ");
  }
}

/** Whether a 401 or 407 takes the secret for right, and only the nonce for an old one (RFC 7616 §3.3). */
export const isStale = ({ headers }: SipResponse): boolean =>
  [ANSWERS[401], ANSWERS[407]]
    .flatMap(([challenge]) => [...digestsIn(headers.fields(), challenge)])
    .some((params) => params.get("stale")?.toLowerCase() === "true");

/** Each nonce is answered once: another of the same realm only where that one was stale, or had been used before. */
function refused(request: SipRequest, field: Answerable["field"], realm: string, params: DigestParams): boolean {
  const sent = digestFor(realm, request.headers.fields(), field);
  if (!sent || Number.parseInt(sent.get("nc") ?? "1", 16) > 1) return false;
  return params.get("stale")?.toLowerCase() !== "true" || params.get("nonce") === sent.get("nonce");
}

/** 0 = cannot be answered. */
function strength(params: DigestParams | undefined): number {
  const algorithm = params && algorithmOf(params);
  if (!params || !algorithm || !params.has("nonce")) return 0;
  const qop = params.get("qop");
  if (qop !== undefined && !qop.split(",").some((value) => value.trim().toLowerCase() === "auth")) return 0;
  return STRENGTH[algorithm];
}
