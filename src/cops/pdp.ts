import { Deadlines, type Timed } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import { type Logger, SILENT } from "#base/log.ts";
import type { Address, Host, Listener, StreamHandlers, StreamPort } from "#host/host.ts";
import { newCounters } from "./engine/counters.ts";
import { type CopsKey, Integrity } from "./engine/integrity.ts";
import { PdpConnectionMachine, type PdpInput, type PdpOutput } from "./engine/pdp-connection.ts";
import type { ClientType, Decision, Handle, PdpPort, PdpUser, PepConnection } from "./engine/types.ts";
import { CopsFramer } from "./wire/message.ts";

export interface CopsPdpConfig {
  readonly bind: Address; // the well-known port is 3288 (RFC 2748 §2.3)
  /** KA Timer, s: 1..65,535, 0 = no keep-alives. Default 30. */
  readonly keepAliveSec?: number;
  /** Least interval of a PEP's accounting reports, s: 1..65,535, 0 = none are wanted. Default: it is not told (RFC 2748 §2.2.15). */
  readonly accountingSec?: number;
  /** Keys by which PEPs have to seal what they send; several while one replaces another (§4.2). Default: none, nothing is sealed. */
  readonly integrity?: readonly CopsKey[];
  readonly onListening?: (at: Address) => void;
  /** The listener could not be had, or broke: nobody is served. */
  readonly onFailed?: (error: Error) => void;
  readonly log?: Logger; // default: none
}
interface Connection extends Timed {
  readonly id: PepConnection;
  readonly machine: PdpConnectionMachine;
  readonly framer: CopsFramer;
  readonly integrity: Integrity;
  readonly stream: StreamPort;
  /** Once a client-type was accepted. */
  pepId: string | undefined;
}

/** A PDP on a host (RFC 2748): serves any PEP that connects, until `stop`. What breaks one connection ends that one only. */
export class CopsPdp implements PdpPort {
  readonly counters = newCounters();
  readonly #host: Host;
  readonly #config: CopsPdpConfig;
  readonly #user: PdpUser;
  readonly #log: Logger;
  readonly #listener: Listener;
  readonly #deadlines: Deadlines<Connection>;
  readonly #connections = new Map<PepConnection, Connection>();
  #lastId = 0;

  constructor(host: Host, config: CopsPdpConfig, user: PdpUser) {
    this.#host = host;
    this.#config = config;
    this.#user = user;
    this.#log = config.log ?? SILENT;
    this.#deadlines = new Deadlines(host, (connection) => this.#step(connection, { kind: "tick" }));
    this.#listener = host.listen(
      config.bind,
      {},
      {
        listening: (at) => config.onListening?.(at),
        accept: (stream) => this.#accept(stream),
        failed: (error) => config.onFailed?.(error),
      },
    );
  }

  /** Throws for attributes that the client-type does not know, or that do not fit. */
  decide(pep: PepConnection, handle: Handle, decision: Decision): void {
    const connection = this.#connections.get(pep);
    if (connection) this.#step(connection, { kind: "decide", handle, decision });
    else this.counters.unknownHandles++;
  }

  synchronize(pep: PepConnection, clientType: ClientType, handle?: Handle): void {
    const connection = this.#connections.get(pep);
    if (connection) this.#step(connection, { kind: "synchronize", clientType, handle });
  }

  /** Client-Close for every client-type of every PEP. Nothing is told any more. */
  stop(): void {
    this.#listener.close();
    const connections = [...this.#connections.values()];
    this.#connections.clear();
    this.#deadlines.clear();
    for (const { machine, integrity, stream } of connections) {
      for (const output of machine.step({ kind: "stop" }, this.#host.nowMs())) {
        if (output.kind === "send") stream.send(integrity.seal(output.message));
      }
      stream.close();
    }
  }

  #accept(stream: StreamPort): StreamHandlers {
    if (this.#connections.size >= LIMITS.copsPepConnections) {
      this.counters.overLimit++;
      stream.close();
      return { data: () => undefined, closed: () => undefined };
    }
    this.#lastId += 1;
    const { keepAliveSec = 30, accountingSec, integrity: keys = [] } = this.#config;
    const config = { keepAliveSec, accountingSec, secured: keys.length > 0 };
    const machine = new PdpConnectionMachine(config, this.counters, this.#host.nowMs());
    const id = this.#lastId;
    const integrity = new Integrity(keys, this.#host);
    const framer = new CopsFramer();
    const connection: Connection = { id, machine, framer, integrity, stream, pepId: undefined, wheelAtMs: Infinity };
    this.#connections.set(id, connection);
    this.#deadlines.set(connection, machine.nextDeadlineMs);
    return {
      data: (bytes) => this.#data(connection, bytes),
      closed: (error) => this.#drop(connection, error?.message ?? "the PEP closed the connection"),
    };
  }
  #data(connection: Connection, bytes: Uint8Array): void {
    connection.framer.push(bytes);
    while (this.#isLive(connection)) {
      const decoded = connection.framer.next();
      if (decoded.status === "need-more") return;
      if (decoded.status === "bad") {
        this.#step(connection, { kind: "garbage", clientType: connection.framer.badClientType });
        return;
      }
      this.counters.received++;
      const message = decoded.value;
      const fault = connection.integrity.check(message, connection.framer.octets);
      this.#step(connection, fault ? { kind: "unauthentic", fault } : { kind: "message", message });
    }
  }

  #step(connection: Connection, input: PdpInput): void {
    for (const output of connection.machine.step(input, this.#host.nowMs())) {
      if (!this.#isLive(connection)) return; // the user stopped it
      this.#perform(connection, output);
    }
    if (this.#isLive(connection)) this.#deadlines.set(connection, connection.machine.nextDeadlineMs);
  }
  #perform(connection: Connection, output: PdpOutput): void {
    const { id } = connection;
    switch (output.kind) {
      case "send":
        this.counters.sent++;
        connection.stream.send(connection.integrity.seal(output.message));
        break;
      case "open":
        this.#tell(connection, () => this.#open(connection, output.clientType, output.pepId));
        break;
      case "request":
        this.#tell(connection, () => this.#user.onRequest(id, output.clientType, output.handle, output.request));
        break;
      case "report":
        this.#tell(connection, () => this.#user.onReport(id, output.handle, output.report, output.data));
        break;
      case "delete":
        this.#tell(connection, () => this.#user.onDelete(id, output.handle, output.reason));
        break;
      case "synchronized":
        this.#tell(connection, () => this.#user.onSynchronized(id, output.clientType, output.handle));
        break;
      case "ended":
        this.#drop(connection, output.cause);
        break;
    }
  }
  #open(connection: Connection, clientType: number, pepId: string): void {
    const accept = this.#user.onOpen(connection.id, pepId, clientType);
    if (accept) connection.pepId = pepId;
    this.#step(connection, { kind: "answer", clientType, accept });
  }
  /** A fault of the user ends the connection that it was told about, and nothing else. */
  #tell(connection: Connection, callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.counters.userFaults++;
      this.#log.error("cops.pdp.fault", { pep: connection.pepId, error });
      this.#drop(connection, "a fault of our own");
    }
  }

  #isLive(connection: Connection): boolean {
    return this.#connections.get(connection.id) === connection;
  }
  #drop(connection: Connection, cause: string): void {
    if (!this.#connections.delete(connection.id)) return;
    this.#deadlines.delete(connection);
    connection.stream.close();
    this.#log.info("cops.pdp.gone", { pep: connection.pepId, remote: connection.stream.remote, cause });
    const { id, pepId } = connection;
    if (pepId === undefined) return;
    this.counters.lost++;
    this.#tell(connection, () => this.#user.onGone(id, pepId));
  }
}
