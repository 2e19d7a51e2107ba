import { Deadlines, type Timed } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import { type Logger, SILENT } from "#base/log.ts";
import type { Address, Host, StreamPort, Timer } from "#host/host.ts";
import { newCounters } from "./engine/counters.ts";
import { type CopsKey, Integrity } from "./engine/integrity.ts";
import { requestMessage } from "./engine/messages.ts";
import { PepConnectionMachine, type PepInput, type PepOutput } from "./engine/pep-connection.ts";
import type { Attributes, ClientType, CopsRequest, DeleteReason, Handle, PepPort, PepUser, ReportKind } from "./engine/types.ts";
import { u32 } from "./wire/layout.ts";
import { CopsFramer, encodeMessage } from "./wire/message.ts";

export interface CopsPepConfig {
  readonly peer: Address;
  /** Names this PEP in its domain, over restarts too (RFC 2748 §2.2.11): ASCII without spaces. */
  readonly pepId: string;
  readonly clientTypes: readonly ClientType[];
  /** What either side sends is sealed by it (RFC 2748 §4.1). Default: nothing is. */
  readonly integrity?: CopsKey;
  /** Pause before the first new attempt after a loss, ms; doubled for each failure, up to `reconnectMaxMs`. Default 250. */
  readonly reconnectMinMs?: number;
  readonly reconnectMaxMs?: number; // default 5,000
  readonly log?: Logger; // default: none
}
interface Attempt extends Timed {
  readonly to: Address;
  readonly machine: PepConnectionMachine;
  readonly framer: CopsFramer;
  readonly integrity: Integrity;
  stream: StreamPort | undefined;
  /** A client-type was open. */
  wasUp: boolean;
}
interface Waiting {
  readonly clientType: ClientType;
  readonly request: CopsRequest;
}

/**
 * A PEP on a host (RFC 2748): holds one connection to its PDP, from its construction on until `stop`, and makes a new one
 * whenever it is lost. Requests made before CAT wait, at most `LIMITS.copsWaitingRequests`: one more is counted and gets no
 * answer. A loss voids every handle, those that wait included; a failed attempt to connect voids none. A redirection is
 * followed once, then the configured PDP's turn comes again (§2.2.13, §2.3).
 */
export class CopsPep implements PepPort {
  readonly counters = newCounters();
  readonly #host: Host;
  readonly #config: CopsPepConfig;
  readonly #user: PepUser;
  readonly #log: Logger;
  readonly #deadlines: Deadlines<Attempt>;
  readonly #waiting = new Map<Handle, Waiting>();
  /** The last one that was opened (§2.2.14): what it decided is in use until another decides. */
  #lastPdp: Address | undefined;
  #attempt: Attempt | undefined;
  #retry: Timer | undefined;
  #pauseMs: number;
  #lastHandle = 0;
  #stopped = false;

  constructor(host: Host, config: CopsPepConfig, user: PepUser) {
    this.#host = host;
    this.#config = config;
    this.#user = user;
    this.#log = config.log ?? SILENT;
    this.#pauseMs = this.#leastPauseMs;
    this.#deadlines = new Deadlines(host, (attempt) => this.#step(attempt, { kind: "tick" }));
    this.#connect(config.peer);
  }

  isOpen(clientType: ClientType): boolean {
    return this.#attempt?.machine.isOpen(clientType) ?? false;
  }

  /** Throws for attributes that the client-type does not know, or that do not fit. */
  request(clientType: ClientType, request: CopsRequest): Handle {
    this.#lastHandle += 1;
    const handle = this.#lastHandle.toString(16).padStart(8, "0");
    this.#ask(clientType, handle, request);
    return handle;
  }
  /** While a request has no decision, the latest of its updates waits for it (RFC 2748 §3.2). */
  update(clientType: ClientType, handle: Handle, request: CopsRequest): void {
    this.#ask(clientType, handle, request);
  }
  report(clientType: ClientType, handle: Handle, kind: ReportKind, data: Attributes = {}): void {
    this.#about(clientType, { kind: "report", handle, report: kind, data });
  }
  delete(clientType: ClientType, handle: Handle, reason: DeleteReason): void {
    if (!this.#waiting.delete(handle)) this.#about(clientType, { kind: "delete", handle, reason });
  }

  synchronized(clientType: ClientType, handle?: Handle): void {
    if (this.#attempt) this.#step(this.#attempt, { kind: "synchronized", clientType, handle });
  }

  /** Client-Close for every client-type, and no new connection. Nothing is told any more. */
  stop(): void {
    this.#stopped = true;
    this.#retry?.cancel();
    if (this.#attempt) this.#step(this.#attempt, { kind: "stop" });
    this.#waiting.clear();
    this.#deadlines.clear();
  }

  #ask(clientType: ClientType, handle: Handle, request: CopsRequest): void {
    if (this.#attempt?.machine.isOpen(clientType)) {
      this.#step(this.#attempt, { kind: "request", clientType, handle, request });
      return;
    }
    encodeMessage(requestMessage(clientType, handle, request)); // what cannot be written throws now, to whoever asked
    if (this.#waiting.size < LIMITS.copsWaitingRequests || this.#waiting.has(handle))
      this.#waiting.set(handle, { clientType, request });
    else this.counters.overLimit++;
  }
  #about(clientType: ClientType, input: PepInput): void {
    if (this.#attempt?.machine.isOpen(clientType)) this.#step(this.#attempt, input);
    else this.counters.unknownHandles++;
  }

  #connect(to: Address): void {
    const { pepId, clientTypes, integrity: key } = this.#config;
    const config = { pepId, clientTypes, secured: key !== undefined, lastPdp: this.#lastPdp };
    const machine = new PepConnectionMachine(config, this.counters, () => this.#random(), this.#host.nowMs());
    const integrity = new Integrity(key ? [key] : [], this.#host);
    const framer = new CopsFramer();
    const attempt: Attempt = { to, machine, framer, integrity, stream: undefined, wasUp: false, wheelAtMs: Infinity };
    this.#attempt = attempt;
    this.#host.connect(
      to,
      {},
      {
        opened: (stream) => this.#opened(attempt, stream),
        data: (bytes) => this.#data(attempt, bytes),
        closed: (error) => this.#drop(attempt, error?.message ?? "the PDP closed the connection"),
      },
    );
    this.#deadlines.set(attempt, machine.nextDeadlineMs);
  }
  #opened(attempt: Attempt, stream: StreamPort): void {
    if (this.#attempt === attempt) {
      attempt.stream = stream;
      this.#step(attempt, { kind: "connected" });
    } else stream.close(); // given up meanwhile
  }
  #data(attempt: Attempt, bytes: Uint8Array): void {
    attempt.framer.push(bytes);
    while (this.#attempt === attempt) {
      const decoded = attempt.framer.next();
      if (decoded.status === "need-more") return;
      if (decoded.status === "bad") {
        this.#step(attempt, { kind: "garbage" });
        return;
      }
      this.counters.received++;
      const message = decoded.value;
      const fault = attempt.integrity.check(message, attempt.framer.octets);
      this.#step(attempt, fault ? { kind: "unauthentic", fault } : { kind: "message", message });
    }
  }

  #step(attempt: Attempt, input: PepInput): void {
    for (const output of attempt.machine.step(input, this.#host.nowMs())) {
      if (this.#attempt !== attempt) return; // the user stopped it
      this.#perform(attempt, output);
    }
    if (this.#attempt === attempt) this.#deadlines.set(attempt, attempt.machine.nextDeadlineMs);
  }
  #perform(attempt: Attempt, output: PepOutput): void {
    switch (output.kind) {
      case "send":
        this.counters.sent++;
        attempt.stream?.send(attempt.integrity.seal(output.message));
        break;
      case "opened":
        attempt.wasUp = true;
        this.#lastPdp = attempt.to;
        this.#pauseMs = this.#leastPauseMs;
        this.#tell(attempt, () => this.#user.onOpened(output.clientType, output.accountingSec));
        this.#askWaiting(attempt, output.clientType); // after what the user held before
        break;
      case "decision":
        this.#tell(attempt, () => this.#user.onDecision(output.handle, output.decision));
        break;
      case "synchronize":
        this.#tell(attempt, () => this.#user.onSynchronize(output.clientType, output.handle));
        break;
      case "ended":
        this.#drop(attempt, output.cause, output.redirect);
        break;
    }
  }
  #askWaiting(attempt: Attempt, clientType: ClientType): void {
    for (const [handle, waiting] of this.#waiting) {
      if (waiting.clientType !== clientType) continue;
      this.#waiting.delete(handle);
      this.#step(attempt, { kind: "request", handle, ...waiting });
    }
  }
  /** A fault of the user ends the connection, and nothing else. */
  #tell(attempt: Attempt, callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.counters.userFaults++;
      this.#log.error("cops.pep.fault", { peer: this.#config.peer, error });
      this.#drop(attempt, "a fault of our own");
    }
  }

  #drop(attempt: Attempt, cause: string, redirect?: Address): void {
    if (this.#attempt !== attempt) return;
    this.#attempt = undefined;
    this.#deadlines.delete(attempt);
    attempt.stream?.close();
    if (this.#stopped) return;
    const follows = redirect !== undefined && attempt.to === this.#config.peer;
    const next = follows ? redirect : this.#config.peer;
    const pauseMs = follows ? 0 : this.#pauseMs * (0.5 + 0.5 * this.#random());
    if (!follows) this.#pauseMs = Math.min(2 * this.#pauseMs, this.#config.reconnectMaxMs ?? 5_000);
    this.#retry = this.#host.timer(this.#host.nowMs() + pauseMs, () => this.#connect(next));
    this.#log.info("cops.pep.lost", { peer: attempt.to, cause, next });
    if (!attempt.wasUp) return;
    this.counters.lost++;
    this.#waiting.clear();
    this.#tell(attempt, () => this.#user.onLost(cause));
  }

  get #leastPauseMs(): number {
    return this.#config.reconnectMinMs ?? 250;
  }
  #random(): number {
    return u32(this.#host.random(4), 0) / 2 ** 32;
  }
}
