import { existsSync } from "node:fs";
import cookie from "@fastify/cookie";
import files from "@fastify/static";
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from "fastify";
import { LIMITS } from "#base/limits.ts";
import type { Logger } from "#base/log.ts";
import type { BrowserHost, Timer } from "#host/host.ts";
import type { Account } from "#registration/types.ts";
import type { RoleContext, WebConfig } from "#roles/types.ts";
import type { ApiFailure } from "./api.ts";
import { apiRoutes, SESSION_COOKIE } from "./api-routes.ts";
import { type ConnectionRefusal, Connections } from "./connections.ts";
import { EventStream } from "./events.ts";
import { Guide } from "./guide.ts";
import { LiveStreams } from "./live.ts";
import { WebSocketProxy } from "./proxy.ts";
import { type Answer, NOT_SIGNED_IN, Registration } from "./registration.ts";
import { type StatusPort, statusRoutes } from "./status.ts";
import { Tries } from "./tries.ts";

/** What of a role's context the server needs, and what it shows of its process; without `status` only that it lives. */
export type WebServerPorts = Pick<RoleContext, "host" | "overlay" | "log" | "operatorKey"> & { readonly status?: StatusPort };
export interface WebServer {
  readonly app: FastifyInstance;
  counts(): HttpCounts;
}
/** For /metrics. */
export interface HttpCounts {
  readonly eventListeners: number;
  readonly slowListeners: number;
  readonly proxiedWebSockets: number;
  /** Handshakes not passed on, by HTTP status. */
  readonly refusedWebSockets: ReadonlyMap<number, number>;
  /** Connections closed at once, by whose there were too many. */
  readonly refusedConnections: Readonly<Record<ConnectionRefusal, number>>;
}

/** The guide is fetched anew so often, in case a push was lost. */
const REFRESH_MS = 30_000;
/** Slow senders are looked for so often. */
const LOOK_MS = 1_000;
const ALIVE: StatusPort = { report: () => ({ notReady: [], degraded: [] }) };

/** The web server of one operator, not listening yet: page, API, events and the WebSocket proxy. */
export async function webServer(ports: WebServerPorts, config: WebConfig): Promise<WebServer> {
  const { host, overlay } = ports;
  const app = fastify({
    bodyLimit: LIMITS.httpBodyBytes,
    requestTimeout: LIMITS.httpRequestMs,
    http: { headersTimeout: LIMITS.httpHeadMs, connectionsCheckingInterval: LOOK_MS },
    forceCloseConnections: true,
    frameworkErrors: (_error, _request, reply) => void (reply as FastifyReply).code(400).send(NOT_UNDERSTOOD), // a URL that is none
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  });
  const connections = Connections.guard(app.server);
  app.removeContentTypeParser("text/plain"); // a foreign form can send it without asking (Fetch, simple requests)
  await app.register(cookie);

  const registration = new Registration(overlay);
  const events = new EventStream(host, "channels", () => guide.current());
  const guide: Guide = new Guide(overlay, registration, config.domain, () => events.changed());
  const stopRefreshing = every(host, REFRESH_MS, () => void guide.refresh());
  void guide.refresh();

  guard(app, config.origins);
  failures(app, ports.log);
  apiRoutes(app, { registration, guide, events, tries: new Tries(host), dsIds: Object.keys(config.sip) });
  statusRoutes(app, ports.status ?? ALIVE);
  const holderOf = (header: string | undefined) => cookieHolder(app, registration, header);
  const live = new LiveStreams({ host, operatorKey: ports.operatorKey, holderOf }, config);
  live.routes(app);
  await page(app, config.pages);

  const proxy = new WebSocketProxy({ host, operatorKey: ports.operatorKey, holderOf }, config);
  app.server.on("upgrade", (request, socket, head) => void proxy.upgrade(request, socket, head));
  app.addHook("preClose", async () => {
    stopRefreshing();
    events.close();
    proxy.close();
    live.close();
  });
  return {
    app,
    counts: () => ({
      eventListeners: events.size,
      slowListeners: events.slowListeners,
      proxiedWebSockets: proxy.size,
      refusedWebSockets: proxy.refused,
      refusedConnections: connections.refused,
    }),
  };
}

async function cookieHolder(app: FastifyInstance, registration: Registration, header = ""): Promise<Answer<Account>> {
  const session = app.parseCookie(header)[SESSION_COOKIE];
  return session === undefined ? NOT_SIGNED_IN : registration.ask("registration.session", { session });
}

/** Security headers on every answer; changing requests only from the operator's own pages. */
function guard(app: FastifyInstance, origins: readonly string[]): void {
  app.addHook("onRequest", async (request, reply) => {
    reply.headers({
      "content-security-policy": contentPolicy(origins),
      "cross-origin-opener-policy": "same-origin",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
    });
    if (request.url.startsWith("/api/")) reply.header("cache-control", "no-store");
    const changes = request.method !== "GET" && request.method !== "HEAD";
    if (changes && !origins.includes(request.headers.origin ?? "")) {
      return reply.code(403).send({ error: "foreign-origin", message: "This page may not do that." } satisfies ApiFailure);
    }
    return undefined;
  });
}

function contentPolicy(origins: readonly string[]): string {
  const sockets = origins.map((origin) => origin.replace(/^http/, "ws")).join(" ");
  return [
    "default-src 'self'",
    `connect-src 'self' ${sockets}`,
    "img-src 'self' data:",
    "media-src 'self' blob:", // Media Source Extensions
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join("; ");
}

/** Whatever goes wrong outside a route is an `ApiFailure` too. */
function failures(app: FastifyInstance, log: Logger): void {
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ error: "unknown", message: "There is nothing here." } satisfies ApiFailure),
  );
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) log.error("http.failed", { url: request.url, error: error.message });
    const sent: ApiFailure = error.validation
      ? badField(error.validation[0])
      : { error: status < 500 ? "bad-request" : "failed", message: SENTENCES[status] ?? "Something went wrong on our side." };
    return reply.code(status).send(sent);
  });
}
const NOT_UNDERSTOOD: ApiFailure = { error: "bad-request", message: "This request could not be understood." };
const SENTENCES: Readonly<Record<number, string>> = {
  400: NOT_UNDERSTOOD.message,
  413: "This is too much text.",
  415: "This request could not be understood: it must be JSON.",
};

function badField(fault: { instancePath: string; params: Record<string, unknown> } | undefined): ApiFailure {
  const field = fault?.instancePath.slice(1) || fault?.params["missingProperty"] || fault?.params["additionalProperty"];
  const error = "bad-value";
  if (typeof field !== "string") return { error, message: NOT_UNDERSTOOD.message };
  return { error, message: "Please check this field: it is missing, too long or of the wrong kind.", field };
}

/** The built page: names under /assets/ hold a hash of their content, so they never change. */
async function page(app: FastifyInstance, folder: string): Promise<void> {
  if (!existsSync(folder)) {
    app.get("/", async (_request, reply) =>
      reply.code(503).send("The page has not been built yet: run “npm run build”, then start again.\n"),
    );
    return;
  }
  await app.register(files, {
    root: folder,
    cacheControl: false,
    setHeaders: (reply, path) => {
      reply.header("cache-control", path.includes("/assets/") ? "public, max-age=31536000, immutable" : "no-cache");
    },
  });
}

/** Calls `act` every so often; answers what ends it. */
function every(host: BrowserHost, periodMs: number, act: () => void): () => void {
  let timer: Timer;
  const again = (): void => {
    timer = host.timer(host.nowMs() + periodMs, () => {
      act();
      again();
    });
  };
  again();
  return () => timer.cancel();
}
