import { LIMITS } from "#base/limits.ts";
import { type Logger, SILENT } from "#base/log.ts";
import type { Clock, Timer } from "#host/host.ts";

/** Who has joined what behind which port of the site's switch. */
export interface MemberTable {
  /** Behind which the host with that address is, as far as is known. */
  portOf(host: string): string | undefined;
  hasMember(port: string, group: string): boolean;
}
export interface MemberPort {
  /** Looks once. `seen` is told later: a table, or, in a sentence, why there is none to rely on. */
  look(seen: (table: MemberTable | string) => void): void;
}
/** Somebody who is to receive a group. */
export interface MulticastViewer {
  readonly joinId: string;
  readonly host: string; // address
  readonly group: string; // address
}
interface Watched {
  /** Kept when the switch has forgotten it, as with a link that went down. */
  readonly port: string;
  /** Since when no look showed a member; Infinity: the last one did. */
  readonly absentSinceMs: number;
}

/**
 * Multicast viewers who vanished: `memberAbsentMs` long nobody behind their port was a member of their group (PROTOCOL §12).
 * Of whom the port was never known nothing is concluded, nor from a switch that cannot be relied on.
 */
export class Absences {
  readonly #clock: Clock;
  readonly #members: MemberPort;
  readonly #viewers: () => readonly MulticastViewer[];
  readonly #gone: (joinId: string) => void;
  readonly #log: Logger;
  #watched = new Map<string, Watched>(); // by join id
  /** While somebody is looked for. */
  #timer: Timer | undefined;
  #fault: string | undefined;
  #isOver = false;

  /** `viewers`: who is to be looked for now. `gone` is told once of each. */
  constructor(
    clock: Clock,
    members: MemberPort,
    viewers: () => readonly MulticastViewer[],
    gone: (joinId: string) => void,
    log: Logger = SILENT,
  ) {
    this.#clock = clock;
    this.#members = members;
    this.#viewers = viewers;
    this.#gone = gone;
    this.#log = log;
  }

  /** There may be somebody to look for. */
  begin(): void {
    this.#timer ??= this.#clock.timer(this.#clock.nowMs() + LIMITS.memberLookMs, () =>
      this.#members.look((table) => this.#looked(table)),
    );
  }
  stop(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  #looked(table: MemberTable | string): void {
    if (this.#isOver) return;
    this.#tell(typeof table === "string" ? table : undefined);
    const before = this.#watched;
    this.#watched = new Map();
    const viewers = this.#viewers();
    for (const viewer of viewers) {
      const { joinId } = viewer;
      const now = typeof table === "string" ? present(before.get(joinId)) : this.#sight(viewer, table, before.get(joinId));
      if (now) this.#watched.set(joinId, now);
    }
    const nowMs = this.#clock.nowMs();
    for (const [joinId, { absentSinceMs }] of this.#watched)
      if (nowMs - absentSinceMs >= LIMITS.memberAbsentMs) this.#gone(joinId);
    this.#timer = undefined;
    if (viewers.length > 0) this.begin();
  }
  #sight({ host, group }: MulticastViewer, table: MemberTable, before: Watched | undefined): Watched | undefined {
    const port = table.portOf(host) ?? before?.port;
    if (port === undefined) return undefined;
    if (table.hasMember(port, group)) return { port, absentSinceMs: Infinity };
    const sinceMs = before?.port === port ? before.absentSinceMs : Infinity;
    return { port, absentSinceMs: Math.min(sinceMs, this.#clock.nowMs()) };
  }

  /** Once for each change. */
  #tell(fault: string | undefined): void {
    if (fault === this.#fault) return;
    this.#fault = fault;
    if (fault === undefined) this.#log.info("multicast members known again");
    else this.#log.warn("multicast members unknown", { why: fault });
  }
}

const present = (before: Watched | undefined): Watched | undefined => before && { ...before, absentSinceMs: Infinity };
