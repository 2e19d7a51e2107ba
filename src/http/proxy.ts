import { type IncomingMessage, STATUS_CODES } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { LIMITS } from "#base/limits.ts";
import { mintUserToken, USER_TOKEN_COOKIE } from "#base/user-token.ts";
import { readAddress } from "#host/addresses.ts";
import type { BrowserHost } from "#host/host.ts";
import type { Account } from "#registration/types.ts";
import type { WebConfig } from "#roles/types.ts";
import { type Answer, refusal } from "./registration.ts";

/** What of a page's handshake (RFC 6455 §4.1) goes on; the session cookie stays here. */
const PASSED_ON = new Set([
  "host",
  "origin",
  "user-agent",
  "sec-websocket-key",
  "sec-websocket-version",
  "sec-websocket-protocol",
  "sec-websocket-extensions",
]);
const KEEP_ALIVE_MS = 30_000;

const NOT_FOUND = refusal(404, "unknown", "There is nothing here.");
const FOREIGN = refusal(403, "foreign-origin", "This page may not connect here.");
const FULL = refusal(503, "full", "Too many people are connected right now. Please try again in a moment.");
const NO_ANSWER = refusal(504, "no-answer", "The server behind this address does not answer.");
const NOT_REACHED = refusal(502, "not-reached", "The server behind this address cannot be reached.");

export interface ProxyPorts {
  readonly host: BrowserHost;
  readonly operatorKey: Uint8Array;
  /** Whose session cookie this Cookie header holds. */
  holderOf(cookieHeader: string | undefined): Promise<Answer<Pick<Account, "user">>>;
}
interface Upstream {
  readonly host: string;
  readonly port: number;
  /** Given to the DS, which knows its user by it (PROTOCOL §14). */
  readonly cookie?: string;
}

/**
 * WebSockets under the page's own origin (PROTOCOL §14): `/sip/DS` goes to that DS with the cookie holder's name under
 * the operator's key, `/media/EDGE.…` to that edge, whose token says the rest. Handshake and frames pass as octets.
 */
export class WebSocketProxy {
  readonly #ports: ProxyPorts;
  readonly #maxOpen: number;
  readonly #origins: readonly string[];
  readonly #sip: ReadonlyMap<string, Upstream>;
  readonly #media: ReadonlyMap<string, Upstream>;
  readonly #open = new Set<Duplex>();
  /** Handshakes not passed on, by HTTP status. */
  readonly refused = new Map<number, number>();

  constructor(
    ports: ProxyPorts,
    config: Pick<WebConfig, "sip" | "media" | "origins">,
    maxOpen: number = LIMITS.proxiedWebSockets,
  ) {
    this.#ports = ports;
    this.#maxOpen = maxOpen;
    this.#origins = config.origins;
    this.#sip = upstreams(config.sip);
    this.#media = upstreams(config.media);
  }

  /** WebSockets that are open, those still being opened included. */
  get size(): number {
    return this.#open.size;
  }

  /** Handles `upgrade` of a node:http server. */
  async upgrade(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    client.on("error", () => client.destroy()); // its "close" does the rest
    if (this.#open.size >= this.#maxOpen) return this.#refuse(client, FULL);
    this.#open.add(client);
    client.on("close", () => this.#open.delete(client));
    const found = await this.#upstreamOf(request);
    if (client.destroyed) return;
    if (!found.ok) return this.#refuse(client, found);
    client.unshift(head);
    this.#join(client, found.value, handshake(request, found.value.cookie));
  }

  close(): void {
    for (const client of this.#open) client.destroy();
  }

  async #upstreamOf(request: IncomingMessage): Promise<Answer<Upstream>> {
    const { origin, cookie } = request.headers;
    if (origin === undefined || !this.#origins.includes(origin)) return FOREIGN;
    const [, kind, name = ""] = /^\/(sip|media)\/([\w.~-]+)$/.exec(request.url ?? "") ?? [];
    const upstream = kind === "sip" ? this.#sip.get(name) : this.#media.get(name.slice(0, name.indexOf(".")));
    if (kind === undefined || upstream === undefined) return NOT_FOUND;
    if (kind === "media") return { ok: true, value: upstream };
    const holder = await this.#ports.holderOf(cookie);
    if (!holder.ok) return holder;
    const token = mintUserToken(this.#ports.host, this.#ports.operatorKey, holder.value.user);
    return { ok: true, value: { ...upstream, cookie: `${USER_TOKEN_COOKIE}=${token}` } };
  }

  /** Octets both ways until either side ends; a full pipe makes the other side wait. */
  #join(client: Duplex, { host, port }: Upstream, opening: string): void {
    const upstream = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS });
    let failure = NOT_REACHED;
    let answered = false;
    upstream.setTimeout(LIMITS.proxyConnectMs, () => {
      failure = NO_ANSWER;
      upstream.destroy();
    });
    upstream.on("error", () => upstream.destroy()); // its "close" does the rest
    upstream.once("connect", () => {
      upstream.write(opening);
      client.pipe(upstream);
    });
    upstream.once("data", (first: Buffer) => {
      answered = true;
      upstream.setTimeout(0);
      client.write(first);
      upstream.pipe(client);
    });
    upstream.once("close", () => {
      if (answered) endSoon(client);
      else if (!client.destroyed) this.#refuse(client, failure);
    });
    client.once("close", () => upstream.destroy());
    keepAlive(client);
  }

  #refuse(client: Duplex, { status, failure }: { status: number; failure: { message: string } }): void {
    this.refused.set(status, (this.refused.get(status) ?? 0) + 1);
    const body = Buffer.from(`${failure.message}\n`);
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      "Content-Type: text/plain; charset=utf-8",
      `Content-Length: ${body.length}`,
      "Connection: close",
    ];
    client.write(`${head.join("\r\n")}\r\n\r\n`);
    client.write(body);
    endSoon(client);
  }
}

/** Reads the "ip:port" of a table, IPv6 in brackets; throws on anything else. */
function upstreams(table: Readonly<Record<string, string>>): ReadonlyMap<string, Upstream> {
  const entries = Object.entries(table).map(([member, address]): [string, Upstream] => {
    const at = readAddress(address);
    if (!at) throw new Error(`Cannot proxy to ${member}: "${address}" is not ip:port`);
    return [member, at];
  });
  return new Map(entries);
}

function handshake(request: IncomingMessage, cookie: string | undefined): string {
  const lines = [`GET ${request.url} HTTP/1.1`, "Connection: Upgrade", "Upgrade: websocket"];
  const raw = request.rawHeaders;
  for (let at = 0; at < raw.length; at += 2) {
    if (PASSED_ON.has((raw[at] ?? "").toLowerCase())) lines.push(`${raw[at]}: ${raw[at + 1]}`);
  }
  if (cookie !== undefined) lines.push(`Cookie: ${cookie}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** node:http hands over a `net.Socket`; its type says only `Duplex`. */
const asSocket = (client: Duplex): Socket => client as Socket;
const endSoon = (client: Duplex): void => asSocket(client).destroySoon();
function keepAlive(client: Duplex): void {
  asSocket(client).setNoDelay(true);
  asSocket(client).setKeepAlive(true, KEEP_ALIVE_MS);
}
