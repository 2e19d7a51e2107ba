import { LIMITS } from "#base/limits.ts";
import { allSafe, type Ticket } from "#base/ticket.ts";
import {
  type ProvisionGrant,
  type ProvisionRequest,
  provisionGrant,
  provisionRequest,
  provisionRequestAttributes,
  REFUSAL,
} from "#cops/engine/iptv.ts";
import { type Attributes, CLIENT_TYPE, type DeleteReason } from "#cops/engine/types.ts";
import type { Row } from "#overlay/types.ts";
import type { CallKeeper } from "#sip/engine/call-types.ts";
import type { DialogRow } from "#sip/engine/dialog-row.ts";
import type { ChannelRecord, OnAir, Rendition, Reserved } from "../types.ts";
import type { Reservation, ReservationUser } from "./admission.ts";
import type { ChannelPorts } from "./ports.ts";
import { keptIn, lifetimeSec, orderOf, reservedBy } from "./session-rows.ts";

/** Who sends, and the session that its reservations are named after (PROTOCOL §7). */
export type Studio = Pick<ProvisionRequest, "joinId" | "user" | "sender">;

/** Until its call is kept. */
const FIRST_LIFETIME_SEC = lifetimeSec(LIMITS.sessionExpiresSec);

interface Announced {
  readonly sinceWallMs: number;
  readonly order: number;
  readonly lifetimeSec: number;
}

export interface RenditionsUser {
  /** All that were asked for are decided, and one at least is granted. */
  onProvisioned(): void;
  /** None is granted, or the last of them was taken back, with the reason of the last; nothing is reserved any more. */
  onNoneLeft(reason: string): void;
}

/**
 * What a broadcaster sends: the same picture at one to three rates, each provisioned at his edge by a request state of its own
 * [B8], and the channel's row for as long as one of them stands. Towards edge and broker a rendition is a stream of its own,
 * named after the channel and its place in the offer: "news", "news~2", "news~3". No channel is called so: registration
 * takes no tilde.
 */
export class Renditions {
  readonly #ports: ChannelPorts;
  readonly #channel: ChannelRecord;
  readonly #user: RenditionsUser;
  /** In the order of the offer. */
  #asked: Asked[] = [];
  /** Of the channel's row, while it is announced. */
  #announced: Announced | undefined;

  constructor(ports: ChannelPorts, channel: ChannelRecord, user: RenditionsUser) {
    this.#ports = ports;
    this.#channel = channel;
    this.#user = user;
  }

  /** Asks for these rates, kbit/s, in place of as many or fewer asked before: what stays the same is not asked anew. */
  ask(studio: Studio, rates: readonly (number | undefined)[]): void {
    const before = this.#asked;
    this.#asked = rates.map((rate, at) => {
      const kbps = rate ?? this.#channel.kbps;
      const asked = before[at];
      if (asked?.kbps === kbps) return asked;
      asked?.release("route-change");
      return this.#askFor(studio, kbps, at);
    });
  }
  get isProvisioned(): boolean {
    return this.#isDecided && this.#asked.some(({ grant }) => grant !== undefined);
  }
  get #isDecided(): boolean {
    return this.#asked.every(({ isDecided }) => isDecided);
  }
  /** In the order of the offer; `undefined` where there is none. */
  get grants(): readonly (ProvisionGrant | undefined)[] {
    return this.#asked.map(({ grant }) => grant);
  }

  /** For the call that brings them: with each row of it the channel's row is written. */
  keeper(of: Parameters<typeof keptIn>[1]): CallKeeper {
    const kept = keptIn(this.#ports.sessions, of, () => ({ reserved: this.#asked.flatMap(({ reserved }) => reserved) }));
    const announced = (dialog: DialogRow, leftSec: number) => this.#announce(orderOf(dialog), lifetimeSec(leftSec));
    return {
      put: (dialog, leftSec) => allSafe([kept.put(dialog, leftSec), announced(dialog, leftSec)]),
      remove: () => kept.remove(),
    };
  }
  /** What an earlier run had, and announced as `row` says if it is not gone. */
  resume(reserved: readonly Reserved[], row: Row<OnAir> | undefined): void {
    const decided = (refusal?: string): void => this.#onDecided(refusal);
    this.#asked = reserved.flatMap(({ request, grant }) => {
      const known = provisionRequest(request);
      return known ? new Asked(this.#ports.admission, known, decided, grant) : [];
    });
    if (!this.isProvisioned) this.#user.onNoneLeft(REFUSAL.malformed);
    else if (!row) this.announce();
    else this.#announced = { sinceWallMs: row.value.sinceWallMs, order: row.order, lifetimeSec: FIRST_LIFETIME_SEC };
  }
  /** Tells every DS that the channel is on air, before there is a row of its call. */
  announce(): Ticket {
    return this.#announce(1, FIRST_LIFETIME_SEC);
  }
  #announce(order: number, lifetimeSec: number): Ticket {
    this.#announced = { sinceWallMs: this.#announced?.sinceWallMs ?? this.#ports.wallMs(), order, lifetimeSec };
    return this.#put(this.#announced);
  }
  /** RPT: what was granted is in use. */
  report(): void {
    for (const asked of this.#asked) asked.report();
  }
  /** Off air; harmless after the end. */
  end(reason: DeleteReason = "tear"): void {
    if (this.#announced) this.#ports.onAir.remove(this.#channel.name);
    this.#announced = undefined;
    for (const asked of this.#asked) asked.release(reason);
  }

  #askFor(studio: Studio, kbps: number, at: number): Asked {
    const stream = at === 0 ? this.#channel.name : `${this.#channel.name}~${at + 1}`;
    const request = { ...studio, joinId: nameOf(studio.joinId, at), channel: stream, kbps };
    return new Asked(this.#ports.admission, request, (refusal) => this.#onDecided(refusal));
  }
  #onDecided(refusal?: string): void {
    if (this.isProvisioned) {
      if (this.#announced) this.#put(this.#announced);
      else this.#user.onProvisioned();
    } else if (refusal !== undefined && this.#isDecided) {
      this.end();
      this.#user.onNoneLeft(refusal);
    }
  }
  #put({ sinceWallMs, order, lifetimeSec }: Announced): Ticket {
    const { name, title, owner } = this.#channel;
    const { site, edgeId: edge } = this.#ports.here;
    const granted = this.#asked.flatMap(({ rendition }) => rendition ?? []);
    const [highest, ...others] = granted.sort((a, b) => b.kbps - a.kbps);
    if (!highest) throw new Error(`Cannot announce ${name}: nothing of it is granted`);
    const row: OnAir = { name, title, owner, site, edge, renditions: [highest, ...others], sinceWallMs };
    return this.#ports.onAir.put(name, row, order, lifetimeSec);
  }
}

/** One rendition's request state. */
class Asked implements ReservationUser {
  readonly kbps: number;
  readonly #stream: string;
  readonly #admission: ChannelPorts["admission"];
  readonly #decided: (refusal?: string) => void;
  #reservation: Reservation | undefined;
  #grant: ProvisionGrant | undefined;

  /**
   * `decided` is told of every decision, with the reason where it is a refusal or takes back a grant. `granted`: to an earlier
   * run.
   */
  constructor(
    admission: ChannelPorts["admission"],
    request: ProvisionRequest,
    decided: (refusal?: string) => void,
    granted?: Attributes,
  ) {
    this.kbps = request.kbps;
    this.#stream = request.channel;
    this.#admission = admission;
    this.#decided = decided;
    const asked = { kind: "configuration", attributes: provisionRequestAttributes(request) } as const;
    this.#grant = granted && provisionGrant(granted);
    this.#reservation = granted
      ? admission.resume(CLIENT_TYPE.provisioning, asked, granted, this)
      : admission.ask(CLIENT_TYPE.provisioning, asked, this);
  }

  get isDecided(): boolean {
    return this.#grant !== undefined || this.#reservation === undefined;
  }
  get grant(): ProvisionGrant | undefined {
    return this.#grant;
  }
  get reserved(): readonly Reserved[] {
    return reservedBy(this.#reservation);
  }
  get rendition(): Rendition | undefined {
    if (!this.#grant) return undefined;
    const { kbps, group, source } = this.#grant;
    return { stream: this.#stream, kbps, group, source };
  }
  report(): void {
    if (this.#reservation) this.#admission.report(this.#reservation);
  }
  release(reason: DeleteReason): void {
    if (this.#reservation) this.#admission.release(this.#reservation, reason);
    this.#reservation = undefined;
    this.#grant = undefined;
  }

  onGranted(attributes: Attributes): void {
    this.#grant = provisionGrant(attributes);
    if (this.#grant) return this.#decided();
    this.release("tear");
    this.#decided(REFUSAL.malformed);
  }
  onRefused(reason: string): void {
    this.#reservation = undefined;
    this.#grant = undefined;
    this.#decided(reason);
  }
  onTakenBack(reason: string): void {
    this.onRefused(reason);
  }
}

/** The first rendition's reservation has the session's own name, the others' differ from it in the last digit. */
const nameOf = (joinId: string, at: number): string =>
  joinId.slice(0, -1) + (Number.parseInt(joinId.slice(-1), 16) ^ at).toString(16);
