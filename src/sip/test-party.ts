/** A transaction user for tests of the driver: it writes down what it is told, and answers as it is set. */
import { text, utf8 } from "#base/bytes.ts";
import type { BrowserHost, DatagramPort, Host } from "#host/host.ts";
import { SipDriver, type SipDriverConfig } from "./driver.ts";
import type { Flow, ServerTxId, TransactionUser } from "./engine/ports.ts";
import { UdpTransport } from "./transport/udp.ts";
import { request, response } from "./wire/builders.ts";
import type { SipRequest, SipResponse } from "./wire/message.ts";
import { sipUri } from "./wire/uri.ts";
import { viaOf } from "./wire/values.ts";

export class Party implements TransactionUser {
  readonly driver: SipDriver;
  /** What it was told, e.g. "INVITE", "200", "ACK", "CANCEL", "timeout", "closed". */
  readonly told: string[] = [];
  readonly requests: SipRequest[] = [];
  readonly responses: SipResponse[] = [];
  readonly flows: Flow[] = [];
  readonly ids: ServerTxId[] = [];
  /** How requests are answered; default 200. */
  answer: (request: SipRequest, id: ServerTxId) => void = (asked, id) => this.driver.respond(id, response(asked, 200));

  answerAtOnce: (request: SipRequest) => SipResponse | undefined = () => undefined;
  obeysCancel = true;

  constructor(host: BrowserHost, config: SipDriverConfig = {}) {
    this.driver = new SipDriver(host, config, this);
  }

  onRequest(asked: SipRequest, id: ServerTxId, flow: Flow): void {
    this.told.push(asked.method);
    this.requests.push(asked);
    this.flows.push(flow);
    this.ids.push(id);
    this.answer(asked, id);
  }
  onAck(): void {
    this.told.push("ACK");
  }
  onCancel(id: ServerTxId): void {
    this.told.push("CANCEL");
    const asked = this.requests[this.ids.indexOf(id)];
    if (asked !== undefined && this.obeysCancel) this.driver.respond(id, response(asked, 487));
  }
  onResponse(answer: SipResponse): void {
    this.told.push(`${answer.status}`);
    this.responses.push(answer);
  }
  onFailure(_id: string, cause: string): void {
    this.told.push(cause);
  }
  onFlowClosed(): void {
    this.told.push("closed");
  }

  /** The last response, or an empty one. */
  get last(): SipResponse {
    return this.responses.at(-1) ?? response({ headers: request("X", TARGET, []).headers }, 100);
  }
}

const TARGET = sipUri({ host: "far.example" });

/** A request with what its maker must give: all but Via and Max-Forwards. */
export function ask(method: string, cseq = 1, callId = "call"): SipRequest {
  return request(method, TARGET, [
    ["from", "<sip:a@h>;tag=a1"],
    ["to", "<sip:b@h>"],
    ["call-id", callId],
    ["cseq", `${cseq} ${method}`],
  ]);
}

/** A request as octets, for tests that send what no driver would: the changes replace, add or (undefined) take away lines. */
export function octets(method: string, change: Readonly<Record<string, string | undefined>> = {}): Uint8Array {
  const lines = {
    start: `${method} sip:b@h SIP/2.0`,
    via: "Via: SIP/2.0/UDP 127.0.0.9:5060;branch=z9hG4bKraw;rport",
    from: "From: <sip:a@h>;tag=1",
    to: "To: <sip:b@h>",
    callId: "Call-ID: raw",
    cseq: `CSeq: 1 ${method}`,
    ...change,
  };
  return utf8(
    `${Object.values(lines)
      .filter((line) => line !== undefined)
      .join("\r\n")}\r\n\r\n`,
  );
}

export const branchOf = (message: SipRequest | SipResponse): string => String(viaOf(message)?.params.get("branch"));

const failed = (error: Error): never => {
  throw error;
};

export const AT_B = { transport: "udp", host: "127.0.0.2", port: 5060 } as const;

export function udpParty(host: Host, address: string, config?: SipDriverConfig): Party {
  const party = new Party(host, config);
  party.driver.addTransport(new UdpTransport(host, { host: address, port: 5060 }, { failed }));
  return party;
}
export const pair = (net: { host(name: string, address: string): Host }): { a: Party; b: Party } => ({
  a: udpParty(net.host("a", "127.0.0.1"), "127.0.0.1"),
  b: udpParty(net.host("b", "127.0.0.2"), "127.0.0.2"),
});

/** A socket without SIP: sends any octets, keeps the start lines and the messages that come back. */
export class Stranger {
  readonly heard: string[] = [];
  readonly messages: string[] = [];
  readonly #port: DatagramPort;
  constructor(host: Host, port = 5060) {
    this.#port = host.datagram(
      { host: "127.0.0.9", port },
      {
        datagram: (bytes) => {
          this.messages.push(text(bytes));
          this.heard.push(text(bytes).split("\r\n")[0] ?? "");
        },
        failed,
      },
    );
  }
  send(bytes: Uint8Array): void {
    this.#port.send(bytes, AT_B);
  }
}
