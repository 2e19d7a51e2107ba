import { LIMITS } from "#base/limits.ts";
import { CopsFramer } from "#cops/wire/message.ts";
import { type Address, showAddress } from "#host/host.ts";
import type { TapEvent } from "#host/tap.ts";
import { parseMessage } from "#sip/wire/index.ts";
import { describeCops, describeSip, type TokenKind } from "./describe.ts";

const FIRST_DYNAMIC_PORT = 49_152; // RFC 6335 §6

export interface LadderOptions {
  /** Called for each line at once; then `lines` keeps none. */
  readonly print?: (line: string) => void;
  /**
   * For golden files: Call-IDs, handles and dynamic ports become `call-1`, `handle-2`, `port-3` in order of appearance; times
   * and keep-alives, which come by time, are left out.
   */
  readonly stable?: boolean;
}

/**
 * SIP and COPS messages as text, one line each, told from what hosts' taps saw. A message is shown once: when it is sent,
 * or, where the sender is not tapped, when it arrives. Of media only the first packet of a flow is shown.
 */
export class Ladder {
  readonly #options: LadderOptions;
  readonly #names = new Map<string, string>(); // by "host:port", "host:0" for every port
  readonly #learnt = new Map<string, string>(); // nodes by their own ends of connections
  readonly #tapped = new Set<string>(); // nodes
  readonly #flows = new Set<string>(); // of media, shown already
  readonly #streams = new Map<string, CopsFramer | "other">(); // by "local>remote direction"
  readonly #tokens = new Map<string, string>();
  readonly #tokenCounts = { call: 0, handle: 0, port: 0 };
  #pending: TapEvent[] = [];
  #dropped = 0;
  #firstMs: number | undefined;
  readonly #lines: string[] = [];

  constructor(options: LadderOptions = {}) {
    this.#options = options;
  }

  /** Who is at that address; port 0: at any port of that host. */
  name(at: Address, node: string): void {
    this.#names.set(showAddress(at), node);
  }

  /** Costs little until the lines are asked for, unless they are printed at once. */
  add(event: TapEvent): void {
    if (isRtp(event) && !this.#isNewFlow(event)) return;
    if (this.#options.print) {
      for (const line of this.#describe(event)) this.#options.print(line);
      return;
    }
    this.#pending.push({ ...event, bytes: event.bytes.slice() });
    if (this.#pending.length < 2 * LIMITS.ladderEvents) return;
    this.#dropped += LIMITS.ladderEvents;
    this.#pending = this.#pending.slice(LIMITS.ladderEvents);
  }

  /** Of the latest events; a first line says how many older ones there were. */
  lines(): readonly string[] {
    for (const event of this.#pending) this.#lines.push(...this.#describe(event));
    this.#pending = [];
    return this.#dropped > 0 ? [`… ${this.#dropped} earlier events`, ...this.#lines] : this.#lines;
  }

  /** What nobody takes yet is another flow than the same once somebody does. */
  #isNewFlow({ node, remote, direction, lost = false }: TapEvent): boolean {
    const flow = `${node} ${direction} ${showAddress(remote)} ${lost}`;
    if (this.#flows.has(flow) || this.#flows.size >= LIMITS.ladderFlows) return false;
    this.#flows.add(flow);
    return true;
  }

  #describe(event: TapEvent): string[] {
    this.#tapped.add(event.node);
    if (event.local.port !== 0) this.#remember(this.#learnt, showAddress(event.local), event.node);
    const there = this.#nameOf(event.remote);
    if (event.direction === "in" && this.#tapped.has(there)) return []; // shown when it was sent
    const [from, to] = event.direction === "out" ? [event.node, there] : [there, event.node];
    return this.#contents(event).map((what) => this.#line(event, `${from} → ${to}`, what));
  }

  #line(event: TapEvent, route: string, what: string): string {
    this.#firstMs ??= event.atMs;
    const time = this.#options.stable ? "" : `${(event.atMs - this.#firstMs).toFixed(1).padStart(9)}  `;
    return `${time}${route.padEnd(24)}  ${what}${event.lost ? " (lost)" : ""}`;
  }

  #contents(event: TapEvent): string[] {
    if (isRtp(event)) return ["RTP (first)"];
    if (event.kind === "stream") return this.#ofStream(event);
    const first = event.bytes[0] ?? 0;
    if (first < 0x41 || first > 0x5a) return []; // every SIP start line begins with a capital
    const parsed = parseMessage(event.bytes);
    return parsed.status === "ok" ? [describeSip(parsed.value, this.#nameToken)] : [];
  }

  /** COPS messages that this chunk completes. What a stream speaks is told by its first octets (RFC 2748 §2.1). */
  #ofStream({ local, remote, direction, bytes }: TapEvent): string[] {
    if (bytes.length === 0) return [];
    const key = `${showAddress(local)}>${showAddress(remote)} ${direction}`;
    const looksLikeCops = (bytes[0] ?? 0) >> 4 === 1;
    const framer = this.#streams.get(key) ?? (looksLikeCops ? new CopsFramer() : "other");
    this.#remember(this.#streams, key, framer);
    if (framer === "other") return [];
    framer.push(bytes);
    const found: string[] = [];
    const connection = [local, remote].map(showAddress).sort().join(" "); // whose names handles are (RFC 2748 §2.4)
    let next = framer.next();
    for (; next.status === "ok"; next = framer.next()) {
      if (next.value.op === "KA" && this.#options.stable) continue;
      found.push(describeCops(next.value, (kind, token) => this.#nameToken(kind, token, connection)));
    }
    if (next.status === "bad") this.#streams.set(key, "other"); // or the framer would hold all that follows
    return found;
  }

  readonly #nameToken = (kind: TokenKind, token: string, connection = ""): string => {
    if (!this.#options.stable || (kind === "port" && Number(token) < FIRST_DYNAMIC_PORT)) return token;
    const key = `${kind} ${token} ${connection}`;
    const known = this.#tokens.get(key);
    if (known !== undefined) return known;
    const name = `${kind}-${++this.#tokenCounts[kind]}`;
    this.#remember(this.#tokens, key, name);
    return name;
  };

  #nameOf(at: Address): string {
    const exact = showAddress(at);
    return this.#names.get(exact) ?? this.#learnt.get(exact) ?? this.#names.get(showAddress({ host: at.host, port: 0 })) ?? exact;
  }

  /** Beyond the limit the oldest is forgotten. */
  #remember<V>(map: Map<string, V>, key: string, value: V): void {
    map.set(key, value);
    const [oldest] = map.keys();
    if (map.size > LIMITS.ladderFlows && oldest !== undefined) map.delete(oldest);
  }
}

/** RTP and RTCP begin with version 2 (RFC 3550 §5.1); no text does. */
const isRtp = ({ kind, bytes }: TapEvent): boolean => kind === "datagram" && (bytes[0] ?? 0) >> 6 === 2;
