import { Deadlines, type Timed } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import type { Ticket } from "#base/ticket.ts";
import type { Clock } from "#host/host.ts";

/** What was put into one stream within one turn: safe once it is on the own disk and on another member's. */
class Batch implements Ticket, Timed {
  wheelAtMs = Infinity;
  safe = false;
  /** How often it was given out. */
  promises = 0;
  /** Of the log, once it was handed out. */
  logTicket = Infinity;
  /** Its rows are numbered above this, up to `through`. */
  after = 0;
  through = 0;
  sentAtMs = 0;
  #then: (() => void)[] = [];

  onSafe(then: () => void): void {
    this.#then.push(then);
  }
  open(): void {
    this.safe = true;
    for (const then of this.#then.splice(0)) then();
  }
}

export interface GatePorts {
  /** Whether a present member copies the stream, and is not far behind. */
  hasCopier(): boolean;
  /** Whether one did, at any time: without any the disk alone counts. */
  everHadCopier(): boolean;
  /** No answer yet: the rows above that are sent once more. */
  resend(after: number): void;
  /** Promises left that only this member could keep. */
  unreplicated(promises: number): void;
}

/**
 * The gate of one own stream (DESIGN §5): batches become safe in order, each when it is on the disk and one other member has
 * it there too; where none can have it soon, and without an answer after 100 ms, it is let go, and counted.
 */
export class Gate {
  readonly #clock: Clock;
  readonly #ports: GatePorts;
  readonly #wheel: Deadlines<Batch>;
  readonly #batches: Batch[] = []; // not safe, oldest first
  #open: Batch | undefined; // the last of them, not handed out
  #sent = 0;
  #durable = 0;
  #copied = 0;

  constructor(clock: Clock, ports: GatePorts) {
    this.#clock = clock;
    this.#ports = ports;
    this.#wheel = new Deadlines(clock, (batch) => this.#late(batch));
  }

  /** The ticket of what is put from now on until `sent`. */
  ticket(): Ticket {
    if (!this.#open) {
      this.#open = new Batch();
      this.#batches.push(this.#open);
    }
    this.#open.promises++;
    return this.#open;
  }

  sent(through: number, logTicket: number): void {
    const [batch, after] = [this.#open, this.#sent];
    this.#sent = through;
    if (!batch) return;
    this.#open = undefined;
    batch.after = after;
    batch.through = through;
    batch.logTicket = logTicket;
    batch.sentAtMs = this.#clock.nowMs();
    this.#wheel.set(batch, batch.sentAtMs + LIMITS.overlayResendMs);
  }

  durable(logTicket: number): void {
    this.#durable = logTicket;
    this.review();
  }
  copied(through: number): void {
    this.#copied = Math.max(this.#copied, through);
    this.review();
  }

  /** Members came, went or fell behind, or something was learnt: lets go what may go. */
  review(): void {
    for (let head = this.#batches[0]; head !== undefined && this.#mayGo(head); head = this.#batches[0]) {
      this.#batches.shift();
      this.#wheel.delete(head);
      if (head.through > this.#copied && this.#ports.everHadCopier()) this.#ports.unreplicated(head.promises);
      head.open();
    }
  }

  close(): void {
    this.#wheel.clear();
  }

  #mayGo(batch: Batch): boolean {
    if (batch.logTicket > this.#durable) return false;
    return batch.through <= this.#copied || !this.#ports.hasCopier() || this.#isLate(batch);
  }
  #isLate({ sentAtMs }: Batch): boolean {
    return this.#clock.nowMs() >= sentAtMs + LIMITS.overlayCopyMs;
  }
  /** A copier may be far behind, catching up: what it asks for itself is not sent with every batch. */
  #late(batch: Batch): void {
    if (this.#isLate(batch)) return this.review();
    if (batch.through > this.#copied) this.#ports.resend(Math.max(batch.after, this.#copied));
    this.#wheel.set(batch, batch.sentAtMs + LIMITS.overlayCopyMs);
  }
}
