import { utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Address, CertificateNames } from "#host/host.ts";
import { queueFull, socketError } from "#host/socket-error.ts";
import type { Appointment } from "./agenda.ts";
import type { Fabric } from "./fabric.ts";
import { Pipe } from "./pipe.ts";
import type { SimHost } from "./sim-host.ts";

export type Payload = string | Uint8Array;
type Item =
  | { readonly kind: "data"; readonly data: Payload }
  | { readonly kind: "end"; readonly error: Error | undefined; readonly answer: boolean }
  | { readonly kind: "call"; readonly call: () => void };

/** How one end's owner is told. */
export interface EndHandlers {
  opened(): void;
  /** Everything that arrived at one instant. */
  data(batch: readonly Payload[]): void;
  closed(error?: Error): void;
}

/** One end of a simulated stream or message connection. The two ends are joined by a pipe each way. */
export class End {
  readonly local: Address;
  readonly remote: Address;
  readonly host: SimHost;
  /** Whom the other end's certificate names. */
  peerNames: CertificateNames | undefined;
  readonly #fabric: Fabric;
  readonly #kind: "stream" | "message";
  #maxQueuedBytes = LIMITS.streamQueuedBytes;
  #out: Pipe<Item> | undefined;
  #peer: End | undefined;
  #handlingMs: () => number = () => 0;
  #handlers: EndHandlers | undefined;
  #deadline: Appointment | undefined;
  #ended = false; // nothing more is sent
  #closed = false; // nothing more is told

  constructor(host: SimHost, fabric: Fabric, kind: "stream" | "message", ends: { local: Address; remote: Address }) {
    this.host = host;
    this.#fabric = fabric;
    this.#kind = kind;
    this.local = ends.local;
    this.remote = ends.remote;
    host.ends.add(this);
  }

  own(handlers: EndHandlers, maxQueuedBytes = LIMITS.streamQueuedBytes): void {
    this.#handlers = handlers;
    this.#maxQueuedBytes = maxQueuedBytes;
  }

  /** Unless `opened` in time, the attempt fails. */
  dialling(): void {
    this.#within(LIMITS.connectMs, socketError("ETIMEDOUT", "connect"));
  }

  opened(): void {
    if (this.#closed) return;
    this.#cancelDeadline();
    this.#handlers?.opened();
  }

  /** What this end sends arrives there, `handlingMs` later than the network has it. */
  join(peer: End, handlingMs: () => number): void {
    this.#peer = peer;
    this.#out = new Pipe<Item>(this.#fabric, this.host.name, peer.host.name, (items) => peer.#arrived(items));
    this.#handlingMs = handlingMs;
  }

  get queuedBytes(): number {
    return this.#out?.queuedBytes ?? 0;
  }

  send(data: Payload): void {
    if (this.#ended || !this.#out) return;
    const bytes = typeof data === "string" ? utf8(data) : data.slice();
    if (bytes.length === 0 && this.#kind === "stream") return;
    this.#fabric.sent({
      atMs: this.#fabric.agenda.nowMs,
      node: this.host.name,
      kind: this.#kind,
      direction: "out",
      local: this.local,
      remote: this.remote,
      bytes,
    });
    this.#out.push({ kind: "data", data: typeof data === "string" ? data : bytes }, bytes.length, this.#handlingMs());
    if (this.#out.queuedBytes > this.#maxQueuedBytes) this.abort(queueFull());
  }

  /** Runs there when everything sent before has arrived. */
  call(call: () => void): void {
    this.#out?.push({ kind: "call", call }, 0, 0);
  }

  /** The peer hears of it after all that was sent; this end is closed once the peer has answered. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#out?.push({ kind: "end", error, answer: true }, 0, this.#handlingMs());
    this.#within(LIMITS.lingerMs, undefined);
  }

  /** Both ends close, and what is on its way is lost. */
  abort(error: Error, peerSees: Error | undefined = socketError("ECONNRESET", "connection")): void {
    this.reset(peerSees);
    this.host.soon(() => this.#close(error));
  }

  /** The peer alone is told. */
  reset(peerSees: Error | undefined): void {
    this.#ended = true;
    this.#out?.clear();
    this.#out?.push({ kind: "end", error: peerSees, answer: false }, 0, 0);
  }

  /** Its machine is gone. Nobody says so, but a peer that pings misses the answers (RFC 6455 §5.5.2). */
  fallSilent(): void {
    if (this.#kind === "message" && this.#peer) this.#peer.#within(2 * LIMITS.pingEveryMs, socketError("ETIMEDOUT", "ping"));
  }

  /** The server's end of an attempt that fails. */
  refuse(error: Error): void {
    this.reset(error);
    this.#closed = true;
    this.host.ends.delete(this);
  }

  #arrived(items: readonly Item[]): void {
    if (!this.host.alive) return this.#unanswered();
    const data: Payload[] = [];
    for (const item of items) {
      if (item.kind === "data") data.push(item.data);
      else {
        this.#tell(data.splice(0));
        if (item.kind === "call") item.call();
        else this.#peerEnded(item.error, item.answer);
      }
    }
    this.#tell(data);
  }

  /** A machine that is up again resets what it does not know; while it is down the peer goes on trying. */
  #unanswered(): void {
    if (this.#ended) return;
    this.host.unanswered.add(this);
    if (this.#fabric.hosts.get(this.host.name)?.alive) this.host.succeeded();
  }

  #tell(batch: readonly Payload[]): void {
    if (batch.length > 0 && !this.#closed) this.#handlers?.data(batch);
  }

  #peerEnded(error: Error | undefined, answer: boolean): void {
    if (!this.#ended && answer) this.#out?.push({ kind: "end", error: undefined, answer: false }, 0, 0);
    this.#ended = true;
    this.#close(error);
  }

  #within(ms: number, error: Error | undefined): void {
    const { agenda } = this.#fabric;
    this.#deadline = agenda.at(agenda.nowMs + ms, () => {
      if (!this.host.alive) return;
      this.reset(error);
      this.#close(error);
    });
  }

  #cancelDeadline(): void {
    if (this.#deadline) this.#deadline.run = undefined;
  }

  #close(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelDeadline();
    this.host.ends.delete(this);
    this.#handlers?.closed(error);
  }
}
