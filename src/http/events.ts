import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { LIMITS } from "#base/limits.ts";
import type { Clock, Timer } from "#host/host.ts";

/** Changes within this time make one event. */
const COALESCE_MS = 50;
/** A comment that often keeps proxies from closing a quiet stream, and finds listeners that went. */
export const HEARTBEAT_MS = 15_000;

/** Server-sent events (HTML Living Standard §9.2): one event name, one shared text, many listeners. */
export class EventStream {
  readonly #clock: Clock;
  readonly #event: string;
  readonly #snapshot: () => unknown;
  readonly #listeners = new Set<ServerResponse>();
  #coalescing: Timer | undefined;
  #heartbeat: Timer;
  /** Listeners closed because they did not read what they were sent. */
  slowListeners = 0;

  /** `snapshot` is what each event carries, as JSON. */
  constructor(clock: Clock, event: string, snapshot: () => unknown) {
    this.#clock = clock;
    this.#event = event;
    this.#snapshot = snapshot;
    this.#heartbeat = this.#beatLater();
  }

  get size(): number {
    return this.#listeners.size;
  }
  get full(): boolean {
    return this.#listeners.size >= LIMITS.eventListeners;
  }

  /** Takes over a response and sends the first event. The caller has seen that the stream is not `full`. */
  listen(response: ServerResponse, headers: OutgoingHttpHeaders): void {
    response.writeHead(200, { ...headers, "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write(this.#text());
    this.#listeners.add(response);
    response.on("close", () => this.#listeners.delete(response));
  }

  /** The snapshot changed: told to all listeners at once, with what else changes in the next moment. */
  changed(): void {
    if (this.#coalescing !== undefined || this.#listeners.size === 0) return;
    this.#coalescing = this.#clock.timer(this.#clock.nowMs() + COALESCE_MS, () => {
      this.#coalescing = undefined;
      this.#tell(this.#text());
    });
  }

  close(): void {
    this.#coalescing?.cancel();
    this.#heartbeat.cancel();
    for (const listener of this.#listeners) listener.end();
  }

  #text(): string {
    return `event: ${this.#event}\ndata: ${JSON.stringify(this.#snapshot())}\n\n`;
  }

  #tell(text: string): void {
    for (const listener of this.#listeners) {
      if (listener.writableLength > LIMITS.eventQueuedBytes) {
        this.slowListeners++;
        listener.destroy();
      } else listener.write(text);
    }
  }

  #beatLater(): Timer {
    return this.#clock.timer(this.#clock.nowMs() + HEARTBEAT_MS, () => {
      this.#tell(": still here\n\n");
      this.#heartbeat = this.#beatLater();
    });
  }
}
