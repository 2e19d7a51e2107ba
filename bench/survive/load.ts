/**
 * Devices that register at servers which are killed, in a process of its own: each begins at some time, sends a few REGISTERs with
 * digest, one after the other, to any server, writes down what it was promised, and is silent from then on, so that at the end
 * there are last words of all times. Told "stop", it sends its parent all.
 */
import dgram from "node:dgram";
import { setTimeout as pause } from "node:timers/promises";
import { hex } from "#base/bytes.ts";
import { nodeHost } from "#host/node/index.ts";
import { Draw } from "#sim/draw.ts";
import { withCSeq } from "#sip/engine/dialog.ts";
import { DigestClient } from "#sip/engine/digest.ts";
import { parseMessage, request, type SipRequest, type SipResponse, serialize, sipUri } from "#sip/wire/index.ts";
import { cseqOf } from "#sip/wire/values.ts";
import type { Account } from "./ledger.ts";

export interface LoadPlan {
  /** UDP ports of the servers, on loopback. */
  readonly ports: readonly number[];
  readonly domain: string;
  /** Within so long all of them begin. */
  readonly seconds: number;
  readonly users: readonly { readonly user: string; readonly secret: string }[];
  readonly seed: number;
}
export interface LoadReport {
  readonly accounts: readonly Account[];
  readonly acknowledged: number;
  readonly unanswered: number;
  /** Final answers other than 2xx and challenges, by status. */
  readonly refused: Readonly<Record<string, number>>;
  /** From the first copy of a request to its 2xx, ms, rising. */
  readonly tookMs: readonly number[];
}

const LOOPBACK = "127.0.0.1";
/** A client goes to another server after so long without an answer (PROTOCOL §9); until then it sends once more. */
const GIVE_UP_MS = 1_500;
const AGAIN_MS = 500;
const LONGEST_REST_MS = 800;
const MOST_WORDS = 30;
const LONG_SEC = 3_600;
const SHORT_SEC = 60;
const SHARES = { removal: 0.15, short: 0.1, reboot: 0.02 } as const;

const host = nodeHost();

class Load {
  readonly #plan: LoadPlan;
  readonly #socket = dgram.createSocket("udp4");
  readonly #waiting = new Map<string, (answer: SipResponse) => void>(); // by branch
  readonly #accounts: Account[] = [];
  readonly #refused: Record<string, number> = {};
  readonly #tookMs: number[] = [];
  #unanswered = 0;
  #isOver = false;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    this.#socket.on("message", (octets) => {
      const parsed = parseMessage(octets);
      if (parsed.status !== "ok" || parsed.value.kind !== "response" || parsed.value.status < 200) return;
      this.#waiting.get(branchOf(parsed.value) ?? "")?.(parsed.value);
    });
  }

  /** Until `stop`, and what is under way then has ended. */
  async run(): Promise<LoadReport> {
    await new Promise<void>((bound) => this.#socket.bind(0, LOOPBACK, bound));
    await Promise.all(this.#plan.users.map((_, at) => this.#live(at)));
    this.#socket.close();
    const tookMs = this.#tookMs.toSorted((a, b) => a - b);
    const [unanswered, refused, acknowledged] = [this.#unanswered, this.#refused, tookMs.length];
    return { accounts: this.#accounts, acknowledged, unanswered, refused, tookMs };
  }
  stop(): void {
    this.#isOver = true;
  }

  /** One device: its own draws, so that its words do not depend on when others were answered. */
  async #live(at: number): Promise<void> {
    const { user = "", secret = "" } = this.#plan.users[at] ?? {};
    const draw = new Draw(this.#plan.seed + at);
    const digest = new DigestClient(host, { user, password: secret });
    const account: Account = { aor: `sip:${user}@${this.#plan.domain}`, promised: undefined, doubtful: [] };
    this.#accounts.push(account);
    let [callId, cseq] = [hex(host.random(8)), 0];
    await pause(draw.between(0, 1_000 * this.#plan.seconds));
    for (let left = draw.between(1, MOST_WORDS); left > 0 && !this.#isOver; left--) {
      if (draw.chance(SHARES.reboot)) [callId, cseq] = [hex(host.random(8)), 0];
      const lifetimeSec = draw.chance(SHARES.short) ? SHORT_SEC : LONG_SEC;
      const expiresSec = draw.chance(SHARES.removal) ? 0 : lifetimeSec;
      const port = draw.oneOf(this.#plan.ports);
      cseq = await this.#register(account, digest, this.#request(user, callId, cseq + 1, expiresSec), expiresSec, port);
      await pause(draw.between(0, LONGEST_REST_MS));
    }
  }

  /** With its challenges. Answers the last CSeq that was used. */
  async #register(account: Account, digest: DigestClient, first: SipRequest, expiresSec: number, port: number): Promise<number> {
    const callId = first.headers.get("call-id") ?? "";
    for (let register = first, repeats = 0; ; repeats++) {
      const cseq = cseqOf(register)?.number ?? 0;
      const word = { callId, cseq, expiresSec, sentMs: Date.now() };
      account.doubtful.push(word);
      const startMs = performance.now();
      const signed = digest.sign(register);
      const answer = await this.#exchange(signed, port);
      if (!answer) this.#unanswered++;
      else if (answer.status < 300) {
        account.promised = { ...word, answeredMs: Date.now() };
        account.doubtful = [];
        this.#tookMs.push(performance.now() - startMs);
      } else if (digest.challenged(signed, answer, repeats)) {
        register = withCSeq(this.#another(register), cseq + 1);
        continue;
      } else this.#refused[answer.status] = (this.#refused[answer.status] ?? 0) + 1;
      return cseq;
    }
  }

  #exchange(register: SipRequest, port: number): Promise<SipResponse | undefined> {
    const octets = serialize(register);
    const branch = branchOf(register) ?? "";
    const send = (): void => this.#socket.send(octets, port, LOOPBACK);
    return new Promise((resolve) => {
      const settle = (answer?: SipResponse): void => {
        for (const timer of timers) clearTimeout(timer);
        this.#waiting.delete(branch);
        resolve(answer);
      };
      const timers = [setTimeout(send, AGAIN_MS), setTimeout(settle, GIVE_UP_MS)];
      this.#waiting.set(branch, settle);
      send();
    });
  }

  #request(user: string, callId: string, cseq: number, expiresSec: number): SipRequest {
    const { domain } = this.#plan;
    return request("REGISTER", sipUri({ host: domain }), [
      ["Via", this.#via()],
      ["From", `<sip:${user}@${domain}>;tag=${hex(host.random(4))}`],
      ["To", `<sip:${user}@${domain}>`],
      ["Call-ID", callId],
      ["CSeq", `${cseq} REGISTER`],
      ["Contact", `<sip:${user}@${LOOPBACK}:${this.#socket.address().port}>;expires=${expiresSec}`],
      ["Max-Forwards", "70"],
    ]);
  }
  #another(register: SipRequest): SipRequest {
    return { ...register, headers: register.headers.clone().set("via", this.#via()) };
  }
  #via(): string {
    return `SIP/2.0/UDP ${LOOPBACK}:${this.#socket.address().port};branch=z9hG4bK${hex(host.random(8))};rport`;
  }
}

const branchOf = ({ headers }: SipRequest | SipResponse): string | undefined =>
  /branch=([\w.]+)/.exec(headers.get("via") ?? "")?.[1];

const load = new Load(JSON.parse(process.argv[2] ?? "") as LoadPlan);
process.on("disconnect", () => process.exit());
process.once("message", () => load.stop());
const report = await load.run();
process.send?.(report, () => process.exit());
