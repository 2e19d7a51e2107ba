/** A registrar (RFC 3261 §10.3), with Path (RFC 3327) and outbound (RFC 5626 §6). */
import { own } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { allSafe, SAFE, type Ticket } from "#base/ticket.ts";
import type { Clock } from "#host/host.ts";
import { response } from "../wire/builders.ts";
import { parseNumber } from "../wire/lex.ts";
import type { NameAddr, SipRequest, SipResponse } from "../wire/message.ts";
import { formatUri, sameUri } from "../wire/uri.ts";
import {
  callIdOf,
  contactsOf,
  cseqOf,
  formatNameAddr,
  nameAddrsOf,
  numberOf,
  paramText,
  parseNameAddr,
  toOf,
  withParam,
} from "../wire/values.ts";
import { unsupported } from "./call-messages.ts";
import { aorOf, type Binding, type BindingRow, type BindingTable } from "./location.ts";
import type { Flow } from "./ports.ts";

export interface RegistrarPorts {
  readonly table: BindingTable;
  readonly host: Pick<Clock, "nowMs">;
  /** The binding's `edge`: what the proxy at this server wants to be reached by. */
  readonly edgeOf?: (register: SipRequest, contact: NameAddr, flow: Flow) => string | undefined;
  /** The flow of a binding that is reached by one of this server, whoever is its registrar; `"gone"` = it was. */
  readonly flowOf?: (row: BindingRow) => Flow | "gone" | undefined;
}
export interface RegistrarConfig {
  /** Whose addresses-of-record these are. */
  readonly domain: string;
  /** A shorter wish is answered 423. 1..3,599, default 60. */
  readonly minExpiresSec?: number;
  /** Without a wish. Default 3,600. */
  readonly defaultExpiresSec?: number;
  /** A longer wish is granted so much. Default 7,200. */
  readonly maxExpiresSec?: number;
}
export interface Registered {
  /** Without a tag in its To, which the transaction gives. */
  readonly response: SipResponse;
  /** The response may leave once it is safe. */
  readonly ticket: Ticket;
}

const SUPPORTED = ["path", "outbound"];
interface Asked {
  readonly request: SipRequest;
  readonly aor: string;
  /** What is bound so far. */
  readonly rows: readonly BindingRow[];
  readonly isRepeat: boolean;
}
/** One Contact of the request, and the binding it is about. */
interface Change {
  readonly key: string;
  readonly before: BindingRow | undefined;
  readonly expiresSec: number; // 0 = it goes
  readonly contact: NameAddr;
  readonly instance: string | undefined;
  readonly regId: number | undefined;
}
/** A peer's fault: what to answer. */
interface Fault {
  readonly status: number;
  readonly reason?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
}
const isFault = (value: object): value is Fault => "status" in value;

export class Registrar {
  readonly #ports: RegistrarPorts;
  readonly #domain: string;
  readonly #minSec: number;
  readonly #defaultSec: number;
  readonly #maxSec: number;
  /** Ids of flows of this server, by the keys of the bindings that are reached by them. */
  readonly #flows = new Map<string, string>();

  constructor(ports: RegistrarPorts, config: RegistrarConfig) {
    this.#ports = ports;
    this.#domain = config.domain.toLowerCase();
    this.#minSec = config.minExpiresSec ?? 60;
    this.#defaultSec = config.defaultExpiresSec ?? 3_600;
    this.#maxSec = config.maxExpiresSec ?? 7_200;
    ports.table.onChange((key) => this.#noteFlow(key));
  }

  /**
   * A REGISTER of `user`, who has been authenticated and may speak for `sip:user@domain` alone. `isRepeat`: another registrar
   * may have done what it asks for, and the answer was lost.
   */
  onRegister(request: SipRequest, flow: Flow, user: string, isRepeat = false): Registered {
    const to = toOf(request)?.uri;
    const unknown = unsupported(request, SUPPORTED);
    if (unknown.length > 0) return this.#refuse(request, { status: 420, headers: [["Unsupported", unknown.join(", ")]] });
    if (to === undefined) return this.#refuse(request, { status: 400, reason: "To is no SIP URI" }); // RFC 4475 §3.3.4
    if (to.host !== this.#domain) return this.#refuse(request, { status: 404 });
    if (to.user !== user) return this.#refuse(request, { status: 403 });
    const aor = aorOf(to);
    const rows = this.#ports.table.under(aor);
    const changes = this.#changes({ request, aor, rows, isRepeat });
    if (isFault(changes)) return this.#refuse(request, changes);
    const tickets = changes.map((change) => this.#apply(change, request, flow, aor));
    return { response: this.#ok(request, rows, changes), ticket: tickets.length === 0 ? SAFE : allSafe(tickets) };
  }

  /** A connection is gone: what was registered on it cannot be reached any more (RFC 5626 §5.3). */
  onFlowClosed(flow: Flow): void {
    for (const [key, id] of this.#flows) if (id === flow.id) this.#ports.table.remove(key);
  }
  /** What is told of a binding late may be told after its flow has closed. */
  #noteFlow(key: string): void {
    const row = this.#ports.table.get(key);
    const flow = row && this.#ports.flowOf?.(row);
    if (flow === "gone") this.#ports.table.remove(key);
    else if (flow) this.#flows.set(key, flow.id);
    else this.#flows.delete(key);
  }

  /** All changes that the request asks for, or why there are none: it is processed whole or not at all (§10.3). */
  #changes(asked: Asked): readonly Change[] | Fault {
    const { request, rows } = asked;
    const contacts = contactsOf(request);
    if (contacts === undefined) return { status: 400, reason: "Malformed Contact" };
    if (contacts === "*") return this.#removal(asked);
    if (nameAddrsOf(request, "path") === undefined) return { status: 400, reason: "Malformed Path" };
    const outbound = hopsAllowOutbound(request);
    const changes: Change[] = [];
    for (const contact of contacts) {
      const change = this.#change(asked, contact, outbound);
      if (isFault(change)) return change;
      if (changes.some(({ key }) => key === change.key)) return { status: 400, reason: "Same Contact Twice" };
      changes.push(change);
    }
    const stays = changes.filter(({ expiresSec }) => expiresSec > 0);
    if (stays.length > 1 && stays.some(({ regId }) => regId !== undefined)) return { status: 400, reason: "More Than One Flow" };
    const kept = rows.filter(({ key }) => changes.every((change) => change.key !== key));
    if (stays.length > 0 && kept.length + stays.length > LIMITS.sipContacts) return { status: 403, reason: "Too Many Contacts" };
    return changes;
  }

  /** `Contact: *` (§10.3 step 6). */
  #removal(asked: Asked): readonly Change[] | Fault {
    const { request, rows } = asked;
    const alone = request.headers.list("contact").length === 1;
    if (!alone || numberOf(request, "expires") !== 0) return { status: 400, reason: "Contact * Needs Expires 0" };
    if (rows.some((row) => isOutOfOrder(asked, row))) return { status: 500, reason: "Out Of Order" };
    return rows.flatMap((before): Change | [] => {
      const contact = parseNameAddr(before.value.contact);
      return contact ? { key: before.key, before, expiresSec: 0, contact, instance: undefined, regId: undefined } : [];
    });
  }

  #change(asked: Asked, contact: NameAddr, outbound: boolean): Change | Fault {
    const { request, aor, rows } = asked;
    const wishSec = parseNumber(paramText(contact.params, "expires") ?? "") ?? numberOf(request, "expires") ?? this.#defaultSec;
    if (wishSec > 0 && wishSec < this.#minSec) return { status: 423, headers: [["Min-Expires", String(this.#minSec)]] };
    const instance = paramText(contact.params, "+sip.instance");
    const wantedRegId = instance === undefined ? undefined : parseNumber(paramText(contact.params, "reg-id") ?? "", 0x7fff_ffff);
    if (wantedRegId !== undefined && !outbound && request.headers.listHas("supported", "outbound")) {
      return { status: 439, reason: "First Hop Lacks Outbound Support" };
    }
    const regId = outbound ? wantedRegId : undefined;
    const before = rows.find(({ value }) =>
      regId === undefined
        ? value.regId === undefined && sameContact(value.contact, contact)
        : value.regId === regId && value.instance === instance,
    );
    if (before && isOutOfOrder(asked, before)) return { status: 500, reason: "Out Of Order" };
    const name = regId === undefined ? formatUri(contact.uri) : `${instance};${regId}`;
    const expiresSec = Math.min(wishSec, this.#maxSec);
    return { key: before?.key ?? `${aor} ${name}`, before, expiresSec, contact, instance, regId };
  }

  #apply(change: Change, request: SipRequest, flow: Flow, aor: string): Ticket {
    const { key, before, instance, regId } = change;
    const cseq = cseqOf(request)?.number ?? 0;
    const order = before ? Math.max(cseq, before.order + 1) : cseq; // another Call-ID may count from 1
    if (change.expiresSec === 0) return before ? this.#ports.table.remove(key, order) : SAFE;
    const edge = this.#ports.edgeOf?.(request, change.contact, flow);
    const value: Binding = {
      aor: own(aor),
      contact: own(formatNameAddr({ ...change.contact, params: without(change.contact.params, "expires") })),
      callId: own(callIdOf(request) ?? ""),
      cseq,
      ...(instance !== undefined && { instance: own(instance) }),
      ...(regId !== undefined && { regId }),
      path: request.headers.list("path").map(own),
      ...(edge !== undefined && { edge }),
    };
    return this.#ports.table.put(own(key), value, order, change.expiresSec);
  }

  #ok(request: SipRequest, rows: readonly BindingRow[], changes: readonly Change[]): SipResponse {
    const made = this.#response(request, { status: 200 });
    const changed = new Set(changes.map(({ key }) => key));
    const nowMs = this.#ports.host.nowMs();
    for (const { key, value, expiresAtMs } of rows) {
      const contact = parseNameAddr(value.contact);
      if (!contact || changed.has(key)) continue;
      made.headers.add("Contact", withExpires(contact, Math.max(0, Math.ceil((expiresAtMs - nowMs) / 1_000))));
    }
    for (const { contact, expiresSec } of changes) {
      if (expiresSec > 0) made.headers.add("Contact", withExpires(contact, expiresSec));
    }
    for (const path of request.headers.list("path")) made.headers.add("Path", path);
    made.headers.add("Supported", SUPPORTED.join(", "));
    const flows = changes.some(({ regId, expiresSec }) => regId !== undefined && expiresSec > 0);
    if (flows && request.headers.listHas("supported", "outbound")) made.headers.add("Require", "outbound");
    return made;
  }

  #refuse(request: SipRequest, fault: Fault): Registered {
    return { response: this.#response(request, fault), ticket: SAFE };
  }
  #response(request: SipRequest, { status, reason, headers }: Fault): SipResponse {
    const made = response(request, status, reason);
    for (const [name, value] of headers ?? []) made.headers.add(name, value);
    return made;
  }
}

/** Within one Call-ID only a higher CSeq changes anything (§10.3 step 7); the same one is this very request, asked again. */
function isOutOfOrder({ request, isRepeat }: Asked, { value }: BindingRow): boolean {
  const cseq = cseqOf(request)?.number ?? 0;
  return value.callId === callIdOf(request) && (isRepeat ? cseq < value.cseq : cseq <= value.cseq);
}

/** The registrar is the first hop, or the first hop says in its Path that it keeps flows (RFC 5626 §6). */
function hopsAllowOutbound(request: SipRequest): boolean {
  if (request.headers.list("via").length <= 1) return true;
  return nameAddrsOf(request, "path")?.[0]?.uri.params.has("ob") === true;
}

function sameContact(text: string, contact: NameAddr): boolean {
  const uri = parseNameAddr(text)?.uri;
  return uri !== undefined && sameUri(uri, contact.uri);
}
const without = (params: NameAddr["params"], name: string): NameAddr["params"] =>
  new Map([...params].filter(([key]) => key !== name));
const withExpires = (contact: NameAddr, expiresSec: number): string =>
  formatNameAddr(withParam(contact, "expires", String(expiresSec)));
