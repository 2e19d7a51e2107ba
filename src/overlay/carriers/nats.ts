import { connect, type NatsConnection, nkeyAuthenticator, type Subscription } from "@nats-io/transport-node";
import { utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Logger } from "#base/log.ts";
import type { Clock } from "#host/host.ts";
import type { Carrier, CarrierPort } from "../carrier.ts";
import type { MemberId } from "../types.ts";
import { InProcessCarrier } from "./in-process.ts";
import { isMemberId, mustBeMemberId } from "./names.ts";
import { Assembler, partOverhead, partsOf } from "./parts.ts";

export interface NatsOptions {
  /** Addresses "host:port", the one to be preferred first: that of the own site. */
  readonly servers: readonly string[];
  /** PEM texts: the operator's authority, and this process's certificate where servers ask for one. */
  readonly tls: { readonly ca: string; readonly cert?: string; readonly key?: string };
  /** The seed of a user's nkey, "SU…": a secret. */
  readonly nkeySeed: string;
  /** The operator's domain. Operators of different names do not hear one another. */
  readonly operator: string;
  readonly log: Logger;
}

/** Between attempts at all servers: half of this to one and a half. */
const RETRY_MS = 500;
const CONNECT_MS = 2_000;
/** A server is asked so often whether it is there, and given up when it has not answered by then: before members count as gone. */
const PING_EVERY_MS = 1_000;
const PONG_MS = 2_000;
/** A server that takes no more of a frame at a time is of no use. */
const LEAST_PART_OCTETS = 512;

interface Seat {
  readonly receive: (frame: Uint8Array) => void;
  /** Its subject at the present server. */
  subscription?: Subscription;
}

/**
 * Between machines, by core NATS (docs.nats.io): one connection a process, to one server of a mesh. What a member sends before
 * there is one, or while it is lost, is lost too; members of one process reach one another all the same. Looks for a server for
 * ever, until `close`.
 */
export class NatsCarrier implements Carrier {
  /** Connections that were lost; frames that were, for want of a server or because it did not take them. */
  readonly counters = { disconnects: 0, dropped: 0 };
  readonly assembler = new Assembler();
  readonly #options: NatsOptions;
  readonly #subject: string;
  readonly #local = new InProcessCarrier();
  readonly #seats = new Map<MemberId, Seat>();
  #connection: NatsConnection | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #pongDue: ReturnType<typeof setTimeout> | undefined;
  #at = 0; // of the server that is tried next, or connected to
  #nextNumber = 0;
  #unconfirmedBytes = 0;
  #isTold = false; // that there is no server
  #closed = false;

  constructor(options: NatsOptions) {
    if (!/^[\w.-]+$/.test(options.operator)) throw new RangeError(`Cannot make a subject of ${JSON.stringify(options.operator)}`);
    this.#options = options;
    this.#subject = `sipcast.${options.operator.toLowerCase().replaceAll(".", "_")}`;
    void this.#connect();
  }

  get connected(): boolean {
    return this.#connection !== undefined;
  }

  join(id: MemberId, clock: Clock, receive: (frame: Uint8Array) => void): CarrierPort {
    mustBeMemberId(id);
    this.#seats.get(id)?.subscription?.unsubscribe();
    const local = this.#local.join(id, clock, receive);
    const seat: Seat = { receive };
    this.#seats.set(id, seat);
    if (this.#connection) this.#subscribe(this.#connection, id, seat);
    const present = (): boolean => this.#seats.get(id) === seat;
    return {
      send: (to, frame) => {
        if (this.#seats.has(to)) local.send(to, frame);
        else if (present() && isMemberId(to)) this.#publish(`to.${to}`, id, frame);
      },
      sendAll: (frame) => {
        local.sendAll(frame);
        if (present()) this.#publish("all", id, frame);
      },
      leave: () => {
        local.leave();
        if (!present()) return;
        this.#seats.delete(id);
        seat.subscription?.unsubscribe();
      },
    };
  }

  /** Nothing is sent or heard from then on. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    for (const seat of this.#seats.values()) seat.subscription?.unsubscribe();
    this.#seats.clear();
    await this.#connection?.close();
  }

  // The connection

  async #connect(): Promise<void> {
    const { servers, log } = this.#options;
    let fault: unknown;
    for (let tried = 0; tried < servers.length && !this.#closed; tried++) {
      try {
        const connection = await this.#connectTo(servers[this.#at] as string);
        return this.#closed ? await connection.close() : this.#connected(connection);
      } catch (error) {
        fault = error;
        this.#at = (this.#at + 1) % servers.length;
      }
    }
    if (!this.#isTold) log.warn("overlay: no NATS server", { servers, error: fault });
    this.#isTold = true;
    this.#connectLater();
  }

  #connectTo(server: string): Promise<NatsConnection> {
    const { tls, nkeySeed } = this.#options;
    const host = server.slice(0, server.lastIndexOf(":")).replace(/^\[|\]$/g, ""); // else Node compares the certificate with "localhost"
    return connect({
      servers: server,
      reconnect: false, // `#lost` does
      noEcho: true,
      tls: Object.assign({ host }, tls),
      authenticator: nkeyAuthenticator(utf8(nkeySeed)),
      timeout: CONNECT_MS,
    });
  }

  #connectLater(): void {
    if (!this.#closed) this.#retry = setTimeout(() => void this.#connect(), RETRY_MS * (0.5 + Math.random()));
  }

  #connected(connection: NatsConnection): void {
    this.#options.log.info("overlay: connected to NATS", { server: connection.getServer() });
    this.#isTold = false;
    this.#connection = connection;
    this.#unconfirmedBytes = 0;
    this.#heartbeat = setInterval(() => this.#confirm(connection), PING_EVERY_MS);
    this.#listen(connection, "all", (frame) => {
      for (const [id, seat] of this.#seats) this.#handUp(id, seat, frame);
    });
    for (const [id, seat] of this.#seats) this.#subscribe(connection, id, seat);
    void connection.closed().then((error) => this.#lost(error));
  }

  #lost(error: unknown): void {
    this.#connection = undefined;
    clearInterval(this.#heartbeat);
    clearTimeout(this.#pongDue);
    this.#pongDue = undefined;
    if (this.#closed) return;
    this.counters.disconnects++;
    this.#at = (this.#at + 1) % this.#options.servers.length; // it may be there and not answer
    this.#options.log.warn("overlay: NATS server lost", { error });
    this.#isTold = true;
    this.#connectLater();
  }

  /** What was sent so far is confirmed when the server answers; one that does not is given up. */
  #confirm(connection: NatsConnection): void {
    if (this.#pongDue !== undefined) return;
    const sentBytes = this.#unconfirmedBytes;
    this.#pongDue = setTimeout(() => void connection.close(), PONG_MS);
    connection.flush().then(
      () => {
        clearTimeout(this.#pongDue);
        this.#pongDue = undefined;
        this.#unconfirmedBytes -= sentBytes;
      },
      () => undefined, // the connection is closed: `#lost` is told
    );
  }

  // Frames

  #subscribe(connection: NatsConnection, id: MemberId, seat: Seat): void {
    seat.subscription = this.#listen(connection, `to.${id}`, (frame) => this.#handUp(id, seat, frame));
  }

  #listen(connection: NatsConnection, name: string, take: (frame: Uint8Array) => void): Subscription {
    const subject = `${this.#subject}.${name}`;
    return connection.subscribe(subject, {
      callback: (error, message) => {
        if (error) return this.#options.log.error("overlay: NATS refuses a subject", { subject, error });
        const frame = this.assembler.take(message.data);
        if (frame) take(frame);
      },
    });
  }

  /** On a turn of its own: what a member throws is not the library's to catch. */
  #handUp(id: MemberId, seat: Seat, frame: Uint8Array): void {
    queueMicrotask(() => {
      if (this.#seats.get(id) === seat) seat.receive(frame);
    });
  }

  #publish(name: string, from: MemberId, frame: Uint8Array): void {
    const connection = this.#connection;
    const partBytes = Math.min(LIMITS.natsPartBytes, connection?.info?.max_payload ?? 0) - partOverhead(from);
    const isFull = this.#unconfirmedBytes + frame.length > LIMITS.natsQueuedBytes;
    if (!connection || connection.isClosed() || isFull || partBytes < LEAST_PART_OCTETS) {
      this.counters.dropped++;
      return;
    }
    this.#nextNumber = (this.#nextNumber + 1) % 2 ** 32;
    const subject = `${this.#subject}.${name}`;
    for (const part of partsOf(from, this.#nextNumber, frame, partBytes)) connection.publish(subject, part);
    this.#unconfirmedBytes += frame.length;
    if (this.#unconfirmedBytes > LIMITS.natsQueuedBytes / 4) this.#confirm(connection);
  }
}
