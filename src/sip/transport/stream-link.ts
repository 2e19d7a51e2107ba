import { utf8 } from "#base/bytes.ts";
import type { Timed } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import type { Clock, StreamPort } from "#host/host.ts";
import type { Flow } from "../engine/ports.ts";
import { StreamFramer } from "./framer.ts";
import type { Link, Receiver, Transport } from "./transport.ts";

const PING = utf8("\r\n\r\n");
const PONG = utf8("\r\n");

export interface StreamLinkSetup {
  readonly transport: Transport;
  /** What it was opened for; `undefined`: it was accepted. */
  readonly hop: string | undefined;
  readonly flow: Flow;
  readonly clock: Clock;
  /** To the next ping, each time anew; `undefined` where none is sent. */
  readonly pingAfterMs: (() => number) | undefined;
  readonly receiver: () => Receiver | undefined;
  /** To be closed: there is no reading on. */
  readonly broken: (link: StreamLink) => void;
}

/** One connection: what waits until it is open, what came in pieces, and how long it may be silent. */
export class StreamLink implements Link, Timed {
  wheelAtMs = Infinity;
  readonly #setup: StreamLinkSetup;
  readonly #framer: StreamFramer;
  #flow: Flow;
  #stream: StreamPort | undefined;
  #state: "opening" | "open" | "closed" = "opening";
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #idleSinceMs: number;
  #stalledSinceMs = Infinity; // within a message, or before the first
  #pingAtMs = Infinity;
  #pongByMs = Infinity;

  constructor(setup: StreamLinkSetup) {
    this.#setup = setup;
    this.#flow = setup.flow;
    this.#framer = new StreamFramer(setup.hop === undefined ? "accepted" : "opened");
    this.#idleSinceMs = setup.clock.nowMs();
  }

  get flow(): Flow {
    return this.#flow;
  }
  get hop(): string | undefined {
    return this.#setup.hop;
  }
  get transport(): Transport {
    return this.#setup.transport;
  }

  /** When `onDeadline` is to be called; Infinity while it opens: the host sees to that. All times: ms on the host's clock. */
  get nextDeadlineMs(): number {
    if (this.#state !== "open") return Infinity;
    return Math.min(
      this.#idleSinceMs + LIMITS.sipStreamIdleMs,
      this.#stalledSinceMs + LIMITS.sipStreamPartMs,
      this.#pingAtMs,
      this.#pongByMs,
    );
  }

  opened(stream: StreamPort): void {
    const { clock, hop } = this.#setup;
    this.#stream = stream;
    this.#state = "open";
    this.#flow = { ...this.#flow, local: stream.local };
    for (const bytes of this.#waiting.splice(0)) stream.send(bytes);
    this.#idleSinceMs = clock.nowMs();
    if (hop === undefined) this.#stalledSinceMs = this.#idleSinceMs;
    this.#schedulePing();
  }

  send(bytes: Uint8Array): boolean {
    if (this.#state === "closed") return false;
    this.#idleSinceMs = this.#setup.clock.nowMs();
    if (this.#stream) {
      this.#stream.send(bytes);
      return true;
    }
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > LIMITS.streamQueuedBytes) return false;
    this.#waiting.push(bytes);
    return true;
  }

  data(bytes: Uint8Array): void {
    const { clock, hop, receiver, broken } = this.#setup;
    const frames = this.#framer.push(bytes);
    this.#idleSinceMs = clock.nowMs();
    if (frames.length > 0) this.#stalledSinceMs = Infinity;
    if (this.#framer.inMessage) this.#stalledSinceMs = Math.min(this.#stalledSinceMs, this.#idleSinceMs);
    if (this.#pongByMs < Infinity) this.#schedulePing(); // whatever it says, it is there
    for (const frame of frames) {
      if (this.#state === "closed") return;
      receiver()?.received(frame.kind === "keep-alive" ? PING : frame.bytes, this);
      if (frame.kind === "keep-alive" && hop === undefined) this.#stream?.send(PONG);
      if (frame.kind === "broken") broken(this);
    }
  }

  #schedulePing(): void {
    const { clock, pingAfterMs } = this.#setup;
    this.#pongByMs = Infinity;
    if (pingAfterMs) this.#pingAtMs = clock.nowMs() + pingAfterMs();
  }

  /** Asks, where it is time for that; `false` = the connection is to be closed. */
  onDeadline(nowMs: number): boolean {
    if (nowMs >= this.#pingAtMs) {
      this.#pingAtMs = Infinity;
      this.#pongByMs = nowMs + LIMITS.sipPongMs;
      this.send(PING);
    }
    return nowMs < this.nextDeadlineMs;
  }

  /** To where the far host says that it listens: a response whose connection is gone (RFC 3261 §18.2.2). */
  toPort(port: number, domain?: string): Link | undefined {
    return this.transport.linkTo({ host: this.#flow.remote.host, port, ...(domain !== undefined && { domain }) });
  }

  /** What was sent still leaves. */
  close(): void {
    this.#state = "closed";
    this.#stream?.close();
  }
}
