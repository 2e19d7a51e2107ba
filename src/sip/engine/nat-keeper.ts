import { hex } from "#base/bytes.ts";
import { Deadlines, type Timed } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import type { Clock, Entropy } from "#host/host.ts";
import { request } from "../wire/builders.ts";
import type { SipResponse, SipUri } from "../wire/message.ts";
import { formatNameAddr, nameAddr, parseNameAddr, withParam } from "../wire/values.ts";
import type { BindingRow, BindingTable } from "./location.ts";
import type { ClientTxId, Flow, TransactionPort } from "./ports.ts";

/** PROTOCOL §13: home routers forget a mapping after 30 s at the earliest. */
const EVERY_MS = 25_000;

export interface NatKeeperPorts {
  readonly transactions: TransactionPort;
  readonly bindings: BindingTable;
  /** The flow of a binding that is reached through us. */
  readonly flowOf: (row: BindingRow) => Flow | "gone" | undefined;
  readonly host: Clock & Entropy;
}
interface Client extends Timed {
  readonly key: string;
}

/** Sends OPTIONS to clients behind a NAT, so that it stays open for requests to them (PROTOCOL §13). */
export class NatKeeper {
  readonly counters = {
    /** OPTIONS without any answer. */
    unanswered: 0,
    /** Clients above `LIMITS.sipNatClients`. */
    notKept: 0,
  };
  readonly #ports: NatKeeperPorts;
  /** Who asks. */
  readonly #from: SipUri;
  readonly #clients = new Map<string, Client>();
  readonly #asked = new Set<ClientTxId>();
  readonly #deadlines: Deadlines<Client>;

  constructor(ports: NatKeeperPorts, from: SipUri) {
    this.#ports = ports;
    this.#from = from;
    this.#deadlines = new Deadlines(ports.host, (client, nowMs) => this.#onDue(client, nowMs));
    ports.bindings.onChange((key, row) => {
      if (row) this.#note(key, row);
    });
  }

  /** Clients that are kept reachable. */
  get count(): number {
    return this.#clients.size;
  }
  stop(): void {
    this.#deadlines.clear();
  }

  /** True = the answer to an OPTIONS of ours; whatever it says, the NAT is open. */
  onResponse({ status }: SipResponse, id: ClientTxId): boolean {
    return status >= 200 ? this.#asked.delete(id) : this.#asked.has(id);
  }
  onFailure(id: ClientTxId): boolean {
    const isOurs = this.#asked.delete(id);
    if (isOurs) this.counters.unanswered++;
    return isOurs;
  }

  #note(key: string, row: BindingRow): void {
    if (this.#clients.has(key) || this.#natFlowOf(row) === undefined) return;
    if (this.#clients.size >= LIMITS.sipNatClients) {
      this.counters.notKept++;
      return;
    }
    const client: Client = { key, wheelAtMs: Infinity };
    this.#clients.set(key, client);
    this.#deadlines.set(client, this.#ports.host.nowMs() + EVERY_MS);
  }

  #onDue(client: Client, nowMs: number): void {
    const row = this.#ports.bindings.get(client.key);
    const flow = row && this.#natFlowOf(row);
    if (!flow) {
      this.#clients.delete(client.key);
      return;
    }
    this.#ask(row, flow);
    this.#deadlines.set(client, nowMs + EVERY_MS);
  }

  #natFlowOf(row: BindingRow): Flow | undefined {
    const flow = this.#ports.flowOf(row);
    return flow !== undefined && flow !== "gone" && flow.transport === "udp" ? flow : undefined;
  }

  #ask({ value: { aor, contact } }: BindingRow, flow: Flow): void {
    const target = parseNameAddr(contact)?.uri;
    if (!target) return;
    const { transactions, host } = this.#ports;
    const options = request("OPTIONS", { ...target, headers: "" }, [
      ["From", formatNameAddr(withParam(nameAddr(this.#from), "tag", hex(host.random(8))))],
      ["To", `<${aor}>`],
      ["Call-ID", hex(host.random(16))],
      ["CSeq", "1 OPTIONS"],
    ]);
    this.#asked.add(transactions.request(options, flow));
  }
}
