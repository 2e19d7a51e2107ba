import type { SipRequest } from "../wire/message.ts";
import { callIdOf } from "../wire/values.ts";
import type { CallId } from "./call-types.ts";
import { Leg, type LegStart } from "./leg.ts";
import type { Flow } from "./ports.ts";

/** The calls that have not ended, by our name for them and by Call-ID. */
export class Legs {
  readonly #byId = new Map<CallId, Leg>();
  readonly #byCallId = new Map<string, Leg[]>(); // a back-to-back user agent may have both ends of one
  #lastId = 0;

  get count(): number {
    return this.#byId.size;
  }
  get(id: CallId): Leg | undefined {
    return this.#byId.get(id);
  }

  add(start: LegStart): Leg {
    const leg = new Leg(++this.#lastId, start);
    this.#byId.set(leg.id, leg);
    const sameCallId = this.#byCallId.get(leg.callId);
    if (sameCallId) sameCallId.push(leg);
    else this.#byCallId.set(leg.callId, [leg]);
    return leg;
  }

  delete(leg: Leg): void {
    this.#byId.delete(leg.id);
    const others = this.#byCallId.get(leg.callId)?.filter((other) => other !== leg) ?? [];
    if (others.length > 0) this.#byCallId.set(leg.callId, others);
    else this.#byCallId.delete(leg.callId);
  }

  /** In whose dialog the request is. */
  find(request: SipRequest): Leg | undefined {
    return this.#byCallId.get(callIdOf(request) ?? "")?.find((leg) => leg.dialogOf(request) !== undefined);
  }

  /** Whose dialog that is, by its name at this end (RFC 3261 §12). */
  named(callId: string, localTag: string, remoteTag: string): Leg | undefined {
    return this.#byCallId.get(callId)?.find(({ dialog }) => dialog?.localTag === localTag && dialog.remoteTag === remoteTag);
  }

  /** Whose initial INVITE that is: it has come once more (RFC 3261 §8.2.2.2). */
  madeBy(invite: SipRequest): Leg | undefined {
    return this.#byCallId.get(callIdOf(invite) ?? "")?.find(({ weCalled, dialog }) => !weCalled && dialog?.isMadeBy(invite));
  }

  on(flow: Flow): readonly CallId[] {
    const ids: CallId[] = [];
    for (const { id, last } of this.#byId.values()) if ("id" in last && last.id === flow.id) ids.push(id);
    return ids;
  }
}
