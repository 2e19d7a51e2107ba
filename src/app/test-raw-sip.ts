/** For tests: SIP as octets over UDP, so that anything can be sent, and digest for whoever has to be somebody. */
import dgram from "node:dgram";
import { hex, utf8 } from "#base/bytes.ts";
import type { Address } from "#host/host.ts";
import { nodeHost } from "#host/node/index.ts";
import { withCSeq } from "#sip/engine/dialog.ts";
import { DigestClient } from "#sip/engine/digest.ts";
import { parseMessage, type SipMessage, type SipRequest, type SipResponse, serialize } from "#sip/wire/index.ts";
import { cseqOf } from "#sip/wire/values.ts";

const ANSWER_WITHIN_MS = 2_000;
/** So long a silence is no answer. */
const SILENCE_MS = 300;
const entropy = nodeHost();

/** What a request says; what is left out is as it should be, `undefined` takes a line away. */
export interface Asked {
  readonly method: string;
  /** Default: the domain. */
  readonly uri?: string;
  readonly from?: string;
  readonly to?: string;
  readonly lines?: Readonly<Record<string, string | undefined>>;
  readonly body?: string;
}
export interface Credentials {
  readonly user: string;
  readonly secret: string;
}

/** Somebody on a UDP port of his own. */
export class RawSip {
  readonly #socket = dgram.createSocket("udp4");
  readonly #ds: Address;
  readonly #domain: string;
  readonly #heard: SipMessage[] = [];
  #wake: () => void = () => undefined;

  private constructor(ds: Address, domain: string) {
    this.#ds = ds;
    this.#domain = domain;
    this.#socket.on("message", (octets) => {
      const parsed = parseMessage(octets);
      if (parsed.status === "ok") this.#heard.push(parsed.value);
      this.#wake();
    });
  }
  static async at(ds: Address, domain: string): Promise<RawSip> {
    const sip = new RawSip(ds, domain);
    await new Promise<void>((bound) => sip.#socket.bind(0, "127.0.0.1", bound));
    return sip;
  }
  close(): void {
    this.#socket.close();
  }

  /** The octets of a request with a new branch. */
  request({ method, uri = `sip:${this.#domain}`, from = "alice", to = uri, lines = {}, body = "" }: Asked): string {
    const { port } = this.#socket.address();
    const all = {
      Via: `SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bK${hex(entropy.random(8))};rport`,
      "Max-Forwards": "70",
      From: `<sip:${from}@${this.#domain}>;tag=${hex(entropy.random(4))}`,
      To: `<${to}>`,
      "Call-ID": hex(entropy.random(8)),
      CSeq: `1 ${method}`,
      Contact: `<sip:${from}@127.0.0.1:${port}>`,
      ...(body && { "Content-Type": "application/sdp" }),
      "Content-Length": String(utf8(body).length),
      ...lines,
    };
    const fields = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
    return `${[`${method} ${uri} SIP/2.0`, ...fields].join("\r\n")}\r\n\r\n${body}`;
  }

  send(octets: string | Uint8Array): void {
    this.#socket.send(octets, this.#ds.port, this.#ds.host);
  }

  /** Sends, and waits for the final answer of that Call-ID and CSeq; `undefined` where there is none. */
  async exchange(octets: string | Uint8Array, withinMs = ANSWER_WITHIN_MS): Promise<SipResponse | undefined> {
    const sent = parseMessage(typeof octets === "string" ? utf8(octets) : octets);
    const isAnswer = ({ headers }: SipMessage): boolean =>
      sent.status !== "ok" || ["call-id", "cseq"].every((name) => headers.get(name) === sent.value.headers.get(name));
    this.send(octets);
    const endMs = performance.now() + withinMs;
    for (;;) {
      const at = this.#heard.findIndex((one) => one.kind === "response" && one.status >= 200 && isAnswer(one));
      const [answer] = at < 0 ? [] : this.#heard.splice(at, 1);
      if (answer?.kind === "response") return answer;
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, leftMs);
      });
    }
  }
  /** True when nothing comes back. */
  async isIgnored(octets: string | Uint8Array): Promise<boolean> {
    return (await this.exchange(octets, SILENCE_MS)) === undefined;
  }

  /** Sends as that user: answers the challenge that comes first. */
  async asUser({ user, secret }: Credentials, asked: Asked): Promise<{ request: SipRequest; response: SipResponse }> {
    const first = parsedRequest(this.request(asked));
    const challenge = await this.#answerTo(first);
    const digest = new DigestClient(entropy, { user, password: secret });
    if (!digest.challenged(first, challenge, 0)) return { request: first, response: challenge };
    const second = withCSeq(first, (cseqOf(first)?.number ?? 0) + 1);
    second.headers.set("via", `${second.headers.get("via")?.replace(/branch=\w+/, `branch=z9hG4bK${hex(entropy.random(8))}`)}`);
    const request = digest.sign(second);
    return { request, response: await this.#answerTo(request) };
  }

  /** Within the dialog that `response` made: ACK, or a request that is answered. */
  within(request: SipRequest, response: SipResponse, method: "ACK" | "BYE"): string {
    const target = /<([^>]+)>/.exec(response.headers.get("contact") ?? "")?.[1] ?? "";
    const number = (cseqOf(request)?.number ?? 0) + (method === "ACK" ? 0 : 1);
    const [from, to, callId] = ["from", "to", "call-id"].map((name) => response.headers.get(name) ?? "");
    return this.request({ method, uri: target, lines: { From: from, To: to, "Call-ID": callId, CSeq: `${number} ${method}` } });
  }

  async #answerTo(request: SipRequest): Promise<SipResponse> {
    const answer = await this.exchange(serialize(request));
    if (!answer) throw new Error(`No answer to ${request.method}`);
    if (request.method === "INVITE" && answer.status >= 300) this.send(ackOf(request, answer));
    return answer;
  }
}

function parsedRequest(octets: string): SipRequest {
  const parsed = parseMessage(utf8(octets));
  if (parsed.status !== "ok" || parsed.value.kind !== "request") throw new Error("No request");
  return parsed.value;
}

/** The ACK of a refusal has its INVITE's branch (RFC 3261 §17.1.1.3). */
function ackOf(invite: SipRequest, answer: SipResponse): Uint8Array {
  const headers = invite.headers.clone().set("to", answer.headers.get("to") ?? "");
  headers
    .set("cseq", `${cseqOf(invite)?.number} ACK`)
    .remove("authorization")
    .remove("content-type");
  return serialize({ ...invite, method: "ACK", headers, body: new Uint8Array() });
}
