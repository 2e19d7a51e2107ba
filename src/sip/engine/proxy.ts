/**
 * A transaction-stateful, record-routing proxy between people (RFC 3261 §16, PROTOCOL §1), and edge proxy of the clients
 * that are here (RFC 5626 §5).
 */
import { hex } from "#base/bytes.ts";
import type { Entropy } from "#host/host.ts";
import { response } from "../wire/builders.ts";
import type { NameAddr, SipRequest, SipResponse, SipUri } from "../wire/message.ts";
import { formatUri, ownUri, sameUri } from "../wire/uri.ts";
import { callIdOf, contactOf, formatNameAddr, nameAddr, paramText, parseNameAddr, toTagOf, withParam } from "../wire/values.ts";
import type { Dialog } from "./dialog.ts";
import { FlowTokens } from "./flow-tokens.ts";
import { aorOf, type BindingRow, type BindingTable, newestFirst, routesTo } from "./location.ts";
import type { ClientTxId, Destination, Flow, ServerTxId, TransactionPort, TransportName } from "./ports.ts";
import { type ForkInput, ResponseContext } from "./response-context.ts";
import {
  type Arrived,
  arrived,
  breadthOf,
  copyFor,
  destinationOf,
  type Hop,
  isHidden,
  maxForwardsOf,
  refusalOf,
} from "./routing.ts";
import { NONE } from "./timers.ts";

export interface ProxyPorts {
  readonly transactions: TransactionPort;
  /** What the driver knows of its transports. */
  readonly network: { flowNamed(id: string): Flow | undefined; serves(name: TransportName): boolean };
  readonly bindings: BindingTable;
  /** The domain, one of our names or addresses. */
  readonly isHere: (uri: SipUri) => boolean;
  /** Where another server of the operator is reached, whose URI it is: it takes what we let in. */
  readonly peerAt: (uri: SipUri) => Destination | undefined;
  readonly host: Entropy;
}

/** One request on its way to one or more places. */
interface Context {
  readonly id: ServerTxId;
  readonly isInvite: boolean;
  /** Until it is answered finally. */
  request: SipRequest | undefined;
  /** Where it came from. */
  readonly from: Flow;
  readonly responses: ResponseContext;
  branches: readonly Branch[];
  readonly maxBreadth: number;
  /** Set where the request has been sent on from an address-of-record: how we know it again (RFC 5393 §4.2.1). */
  readonly mark: string | undefined;
  canceled: boolean;
}
interface Branch {
  readonly context: Context;
  readonly index: number;
  /** Tried one after the other, while flows fail (RFC 5626 §7); none once it is answered finally. */
  hops: readonly Hop[];
  tries: number;
  tx: ClientTxId;
  ended: boolean;
}

const MARK_DIGITS = 16;
const DIALOG_FORMING = new Set(["INVITE", "SUBSCRIBE", "REFER"]);
/** Of a CANCEL because another device took the call (RFC 3326 §3.1). */
const ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"';
const UDP: Destination = { transport: "udp", host: "0.0.0.0", port: 0 };

export class SipProxy {
  readonly counters = {
    /** Requests sent on, by branch. */
    forwarded: 0,
    /** RFC 5393 §4.2.2. */
    loops: 0,
    /** Requests with a Route of ours that we did not write: answered 403. */
    forged: 0,
    /** Requests for flows that are gone: answered 430. */
    flowsGone: 0,
    /** ACKs that could not be sent on. */
    droppedAcks: 0,
  };
  readonly #ports: ProxyPorts;
  readonly #realm: string;
  readonly #tokens: FlowTokens;
  readonly #salt: string;
  readonly #contexts = new Map<ServerTxId, Context>(); // without final answer
  readonly #branches = new Map<ClientTxId, Branch>();

  /** `operatorKey`: servers that share it trust one another's tokens. `realm`: credentials for it are not passed on. */
  constructor(ports: ProxyPorts, operatorKey: Uint8Array, realm: string) {
    this.#ports = ports;
    this.#realm = realm;
    this.#tokens = new FlowTokens(ports.host, operatorKey);
    this.#salt = hex(ports.host.random(8));
  }

  /** Requests that wait for their final answer. */
  get pending(): number {
    return this.#contexts.size;
  }

  /**
   * The `edge` of a binding: our own Path entry (RFC 5626 §6) where the client is reached by the flow alone, because it is on
   * a connection, or behind a NAT (PROTOCOL §13).
   */
  edgeOf(register: SipRequest, contact: NameAddr, flow: Flow): string | undefined {
    if (this.#isServer(contact.uri) || !needsFlow(register, contact.uri, flow)) return undefined;
    return this.#ownRoute(UDP, this.#tokens.mint(FlowTokens.PATH, flow.id), "ob");
  }
  /**
   * Our entry in the Path of a REGISTER that goes to another registrar: we are its first hop, and the client wants to be
   * reached by its flow, or must be (RFC 5626 §5.1). Without one he is called at his Contact.
   */
  pathOf(register: SipRequest, flow: Flow): string | undefined {
    const contact = contactOf(register);
    if (!contact || register.headers.list("via").length > 1) return undefined;
    if (!contact.params.has("reg-id")) return this.edgeOf(register, contact, flow);
    return this.#ownRoute(UDP, this.#tokens.mint(FlowTokens.PATH, flow.id), "ob");
  }
  /** The flow of a binding that is reached by one of this server; `"gone"` = it was. `undefined`: another server's, or none. */
  flowOf({ value }: BindingRow): Flow | "gone" | undefined {
    const [first] = routesTo(value);
    const own = first === undefined ? undefined : parseNameAddr(first)?.uri;
    if (own === undefined || !this.#ports.isHere(own)) return undefined;
    return this.#ports.network.flowNamed(this.#tokens.read(FlowTokens.PATH, own.user) ?? "") ?? "gone";
  }
  /** The present flow of one of the domain's users, of the device that said that Contact: by its instance, else by its URI. */
  flowTo({ uri: from, contact: { uri, params } }: Dialog["far"]): Flow | undefined {
    const instance = paramText(params, "+sip.instance");
    const isHis = ({ value }: BindingRow): boolean => {
      if (instance !== undefined) return value.instance === instance;
      const registered = parseNameAddr(value.contact)?.uri;
      return registered !== undefined && sameUri(registered, uri);
    };
    const rows = from ? this.#ports.bindings.under(aorOf(from)).filter(isHis) : [];
    return rows.map((row) => this.flowOf(row)).find((flow) => flow !== undefined && flow !== "gone");
  }
  /** Where an address-of-record is reached without another server, the newest first. */
  contactsHere(aor: string): readonly Hop[] {
    return this.#targets(aor)
      .flat()
      .filter(({ routes }) => routes.length === 0);
  }

  /** Takes off the Routes that led here; `undefined` = malformed. */
  arrived(request: SipRequest): Arrived | undefined {
    return arrived(request, this.#ports.isHere);
  }
  /**
   * What our token in the Route says: the id of a flow, "" = to be routed as it stands; `undefined` = there is none. A client
   * may come to us with a dialog that goes through a fellow: it sends to its own server whatever the Route says.
   */
  passOf({ request, own }: Arrived): { readonly flowId: string } | "forged" | undefined {
    if (own === undefined) return this.#isFellows(request) ? { flowId: "" } : undefined;
    if (own.user === "") return undefined;
    const scope = own.params.has("ob") ? FlowTokens.PATH : (callIdOf(request) ?? "");
    const flowId = this.#tokens.read(scope, own.user);
    return flowId === undefined ? "forged" : { flowId };
  }

  /** Sends on what comes with a token of ours: within a dialog, or from a fellow server to a client that is here. */
  relay(request: SipRequest, id: ServerTxId, from: Flow, flowId: string): void {
    const hop = this.#onward(request, flowId);
    if (hop) this.#fork(request, id, from, [[hop]]);
    else if (flowId === "") this.#refuse(request, id, 480);
    else {
      this.counters.flowsGone++;
      this.#refuse(request, id, 430);
    }
  }

  /** Sends on what is for `sip:user@domain`, from somebody who may: to all bindings at once. */
  toUser(request: SipRequest, id: ServerTxId, from: Flow, aor: string): void {
    const mark = this.#markOf(request, aor);
    if (request.headers.list("via").some((via) => via.includes(mark))) {
      this.counters.loops++;
      this.#refuse(request, id, 482);
      return;
    }
    const targets = this.#targets(aor);
    if (targets.length === 0) this.#refuse(request, id, 480);
    else this.#fork(request, id, from, targets, mark);
  }

  /** True = an ACK of a dialog that goes through us (RFC 3261 §16.6: without any context). */
  onAck(ack: SipRequest): boolean {
    const came = this.arrived(ack);
    const pass = came && this.passOf(came);
    if (came === undefined || pass === undefined) return false;
    const hop = pass === "forged" ? undefined : this.#onward(came.request, pass.flowId);
    const maxForwards = maxForwardsOf(ack);
    if (hop === undefined || maxForwards === 0) this.counters.droppedAcks++;
    else {
      const settings = { maxForwards: maxForwards - 1, maxBreadth: breadthOf(ack), recordRoutes: [] };
      this.#ports.transactions.ack(copyFor(came.request, hop, settings, this.#realm), hop.to);
    }
    return true;
  }

  /** True = a request that was sent on (§16.10). Its answer is what the branches answer. */
  onCancel(id: ServerTxId): boolean {
    const context = this.#contexts.get(id);
    if (context) this.#cancel(context);
    return context !== undefined;
  }

  onResponse(answer: SipResponse, id: ClientTxId): boolean {
    const branch = this.#branches.get(id);
    if (!branch) return false;
    const headers = answer.headers.clone().replaceFirst("via");
    if (headers.has("via")) this.#answered(branch, { ...answer, headers });
    else this.#failed(branch, 502);
    return true;
  }
  onFailure(id: ClientTxId, cause: "timeout" | "transport"): boolean {
    const branch = this.#branches.get(id);
    if (!branch) return false;
    this.#branches.delete(id);
    const to = branch.hops[branch.tries]?.to ?? UDP;
    const status = cause === "timeout" ? 408 : "id" in to ? 430 : 503; // §16.8, §16.9; RFC 5626 §5.3.1
    if (!branch.ended) this.#failed(branch, status);
    return true;
  }
  onSettled(id: ClientTxId): void {
    this.#branches.delete(id);
  }
  /** Nobody waits for the answers any more. */
  onFlowClosed(flow: Flow): void {
    for (const context of this.#contexts.values()) if (context.from.id === flow.id) this.#cancel(context);
  }

  #isFellows(request: SipRequest): boolean {
    const first = request.headers.first("route");
    const token = first === undefined ? undefined : parseNameAddr(first)?.uri.user;
    return token !== undefined && this.#tokens.read(callIdOf(request) ?? "", token) !== undefined;
  }

  /** Where a request goes that is for nobody's address-of-record. */
  #onward(request: SipRequest, flowId: string): Hop | undefined {
    const { uri, headers } = request;
    if (flowId !== "") {
      const flow = this.#ports.network.flowNamed(flowId);
      return flow && { uri, routes: [], to: flow };
    }
    return this.#hopTo(uri, headers.list("route").slice(0, 1), []);
  }

  /** The hop to the first of `routes`, or to the URI itself. `added`: what of them the request does not have. */
  #hopTo(uri: SipUri, routes: readonly string[], added: readonly string[]): Hop | undefined {
    const next = routes[0] === undefined ? uri : parseNameAddr(routes[0])?.uri;
    const to = next && (this.#ports.peerAt(next) ?? destinationOf(next));
    return to && this.#ports.network.serves(to.transport) ? { uri, routes: added, to } : undefined;
  }

  /** The places of an address-of-record: of one device the flows that it has, the newest first (RFC 5626 §7). */
  #targets(aor: string): [Hop, ...Hop[]][] {
    const devices = new Map<string, [Hop, ...Hop[]]>();
    for (const row of newestFirst(this.#ports.bindings.under(aor))) {
      const hop = this.#hopOf(row);
      if (!hop) continue;
      const device = row.value.regId === undefined ? row.key : (row.value.instance ?? row.key);
      const others = devices.get(device);
      if (others) others.push(hop);
      else devices.set(device, [hop]);
    }
    return [...devices.values()];
  }

  #hopOf(row: BindingRow): Hop | undefined {
    const contact = parseNameAddr(row.value.contact)?.uri;
    if (!contact) return undefined;
    const uri: SipUri = { ...contact, headers: "" }; // RFC 3261 §19.1.1
    const flow = this.flowOf(row);
    if (flow === "gone") return undefined;
    const routes = routesTo(row.value);
    if (flow) return { uri, routes: routes.slice(1), to: flow };
    if (routes.length > 0) return this.#hopTo(uri, routes, routes);
    return this.#isServer(uri) ? this.#hopToServer(uri) : this.#hopTo(uri, [], []);
  }

  #isServer(uri: SipUri): boolean {
    return this.#ports.isHere(uri) || this.#ports.peerAt(uri) !== undefined;
  }
  /** A contact that is an address-of-record itself: to us or a fellow, who will not ask who is calling. */
  #hopToServer(uri: SipUri): Hop | undefined {
    const server = this.#ports.isHere(uri) ? ownUri("", this.#ports.transactions.localUri(UDP)) : uri;
    const to = this.#ports.peerAt(server) ?? destinationOf(server);
    if (to === undefined) return undefined;
    const route = withParam(withParam({ ...server, user: this.#tokens.mint(FlowTokens.PATH) }, "lr", true), "ob", true);
    return { uri, routes: [formatNameAddr(nameAddr(route))], to };
  }

  #fork(request: SipRequest, id: ServerTxId, from: Flow, targets: readonly [Hop, ...Hop[]][], mark?: string): void {
    const maxBreadth = Math.floor(breadthOf(request) / targets.length);
    const refusal = refusalOf(request);
    if (refusal) return this.#ports.transactions.respond(id, refusal);
    if (maxBreadth === 0) return this.#refuse(request, id, 440);
    const isInvite = request.method === "INVITE";
    const responses = new ResponseContext(isInvite, targets.length);
    const context: Context = { id, isInvite, request, from, responses, branches: [], maxBreadth, mark, canceled: false };
    this.#contexts.set(id, context);
    context.branches = targets.map((hops, index) => ({ context, index, hops, tries: 0, tx: "", ended: false }));
    for (const branch of context.branches) if (branch.hops[0]) this.#send(branch, request, branch.hops[0]);
  }

  #send(branch: Branch, request: SipRequest, hop: Hop): void {
    const { from, maxBreadth, mark } = branch.context;
    const maxForwards = maxForwardsOf(request) - 1;
    const recordRoutes =
      DIALOG_FORMING.has(request.method) && toTagOf(request) === undefined ? this.#faces(request, from, hop) : [];
    const copy = copyFor(request, hop, { maxForwards, maxBreadth, recordRoutes }, this.#realm);
    branch.tx = this.#ports.transactions.request(copy, hop.to, mark);
    this.#branches.set(branch.tx, branch);
    this.counters.forwarded++;
  }

  /**
   * Our Record-Routes, each as its side must write us; one where they are the same (RFC 5658 §3.3). A client that is reached
   * by its flow alone has it in the one that is nearer to it.
   */
  #faces(request: SipRequest, from: Flow, hop: Hop): readonly string[] {
    const callId = callIdOf(request) ?? "";
    const contact = contactOf(request)?.uri;
    const sender = contact && needsFlow(request, contact, from) ? from.id : "";
    const receiver = "id" in hop.to ? hop.to.id : "";
    const nearToken = this.#tokens.mint(callId, sender);
    const farToken = receiver === sender ? nearToken : this.#tokens.mint(callId, receiver);
    const near = this.#ownRoute(from, nearToken);
    const far = this.#ownRoute(hop.to, farToken);
    return near === far ? [near] : [far, near];
  }

  #answered(branch: Branch, answer: SipResponse): void {
    const { context } = branch;
    const { request } = context;
    const next = branch.hops[branch.tries + 1];
    if (answer.status === 430 && next && request && !context.canceled) {
      branch.tries++;
      return this.#send(branch, request, next);
    }
    if (answer.status >= 200) {
      branch.ended = true;
      branch.hops = NONE;
    }
    if (answer.status >= 300 || (branch.ended && !context.isInvite)) this.#branches.delete(branch.tx); // nothing more will come
    const isOurs = answer.status === 430 && context.mark !== undefined; // no client is to see it (RFC 5626 §11.5)
    if (!isOurs) this.#step(context, { kind: "response", branch: branch.index, response: answer });
    else if (request) this.#step(context, { kind: "response", branch: branch.index, response: response(request, 480) });
  }
  /** A branch without an answer that could be passed on; when another's has been, nobody needs to know. */
  #failed(branch: Branch, status: number): void {
    const { request } = branch.context;
    if (request) this.#answered(branch, response(request, status));
  }

  #cancel(context: Context): void {
    context.canceled = true;
    this.#step(context, { kind: "cancel" });
  }

  #step(context: Context, input: ForkInput): void {
    const { transactions } = this.#ports;
    for (const output of context.responses.step(input)) {
      if (output.kind === "forward") {
        if (output.response.status >= 200) {
          this.#contexts.delete(context.id);
          context.request = undefined;
        }
        transactions.respond(context.id, output.response);
      } else transactions.cancel(context.branches[output.branch]?.tx ?? "", output.answered ? ELSEWHERE : undefined);
    }
  }

  #refuse(request: SipRequest, id: ServerTxId, status: number): void {
    this.#ports.transactions.respond(id, response(request, status));
  }

  /** What decides where it is sent: its address-of-record and its Routes. Of this run, so that no other's looks like it. */
  #markOf({ headers }: SipRequest, aor: string): string {
    const decisive = `${this.#salt} ${aor} ${headers.list("route").join()}`;
    return this.#ports.host.digestHex("SHA-256", decisive).slice(0, MARK_DIGITS);
  }

  /** A Route to us, with a token in it; `ob`: of a Path (RFC 5626 §5.1). */
  #ownRoute(to: Destination, token: string, ob?: "ob"): string {
    const uri = formatUri(ownUri(token, this.#ports.transactions.localUri(to)));
    return ob ? `<${uri};lr;ob>` : `<${uri};lr>`;
  }
}

/** Whether requests for the client must go back by the flow that its own came on: we are its first hop, and it has no address. */
function needsFlow(request: SipRequest, contact: SipUri, flow: Flow): boolean {
  if (request.headers.list("via").length > 1) return false;
  return flow.transport !== "udp" || isHidden(contact.host, flow.remote.host);
}
