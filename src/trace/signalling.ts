import { LIMITS } from "#base/limits.ts";
import { CopsFramer } from "#cops/wire/message.ts";
import { type Address, showAddress } from "#host/host.ts";
import type { TapEvent } from "#host/tap.ts";
import { StreamFramer } from "#sip/transport/framer.ts";

/** One SIP or COPS message that passed a machine, whole. */
export interface SignallingMessage {
  readonly protocol: "sip" | "cops";
  /** SIP over WebSocket counts as TCP. */
  readonly transport: "udp" | "tcp";
  /** Name of the machine that saw it. */
  readonly node: string;
  readonly from: Address;
  readonly to: Address;
  /** The reader's only until it returns. */
  readonly bytes: Uint8Array;
}

/** Cuts one way of a stream into messages; "other" is not looked into. */
type StreamReader = CopsFramer | StreamFramer | "other";

const CR = 13;

/** Finds the SIP and COPS messages in what taps see. Media and everything else is left out. */
export class SignallingReader {
  readonly #told: (message: SignallingMessage) => void;
  readonly #streams = new Map<string, StreamReader>(); // by "local>remote direction"

  constructor(told: (message: SignallingMessage) => void) {
    this.#told = told;
  }

  add(event: TapEvent): void {
    if (event.kind === "stream") this.#ofStream(event);
    else if (beginsLikeSip(event.bytes)) this.#tell(event, "sip", event.kind === "datagram" ? "udp" : "tcp", event.bytes);
  }

  #ofStream(event: TapEvent): void {
    const { local, remote, direction, bytes } = event;
    if (bytes.length === 0) return;
    const key = `${showAddress(local)}>${showAddress(remote)} ${direction}`;
    const reader = this.#streams.get(key) ?? readerOf(bytes);
    this.#remember(key, reader);
    if (reader instanceof StreamFramer) {
      for (const frame of reader.push(bytes)) if (frame.kind === "message") this.#tell(event, "sip", "tcp", frame.bytes);
    } else if (reader !== "other") this.#cops(event, key, reader);
  }
  #cops(event: TapEvent, key: string, reader: CopsFramer): void {
    reader.push(event.bytes);
    let next = reader.next();
    for (; next.status === "ok"; next = reader.next()) this.#tell(event, "cops", "tcp", reader.octets);
    if (next.status === "bad") this.#remember(key, "other"); // or the framer would hold all that follows
  }

  #tell(
    { node, direction, local, remote }: TapEvent,
    protocol: "sip" | "cops",
    transport: "udp" | "tcp",
    bytes: Uint8Array,
  ): void {
    const [from, to] = direction === "out" ? [local, remote] : [remote, local];
    this.#told({ protocol, transport, node, from, to, bytes });
  }

  /** Beyond the limit the oldest is forgotten. */
  #remember(key: string, reader: StreamReader): void {
    this.#streams.set(key, reader);
    const [oldest] = this.#streams.keys();
    if (this.#streams.size > LIMITS.captureStreams && oldest !== undefined) this.#streams.delete(oldest);
  }
}

/** Every SIP start line begins with a capital (RFC 3261 §7.1, §7.2); no RTP packet does (RFC 3550 §5.1). */
function beginsLikeSip(bytes: Uint8Array): boolean {
  const first = bytes[0] ?? 0;
  return first >= 0x41 && first <= 0x5a;
}
/** By its first octets; SIP's may be a keep-alive (RFC 5626 §3.5.1). */
function readerOf(bytes: Uint8Array): StreamReader {
  if (beginsLikeCops(bytes)) return new CopsFramer();
  return beginsLikeSip(bytes) || bytes[0] === CR ? new StreamFramer("accepted") : "other";
}
/** Version 1 in the upper half of the first octet (RFC 2748 §2.1). */
const beginsLikeCops = (bytes: Uint8Array): boolean => (bytes[0] ?? 0) >> 4 === 1;
