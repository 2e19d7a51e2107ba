import fastify, { type FastifyInstance } from "fastify";
import { LIMITS } from "#base/limits.ts";

/** How a process is, for those who look after it. */
export interface StatusReport {
  /** Why it does not serve; empty: it does. Sentences. */
  readonly notReady: readonly string[];
  /** What does not work as it should while it serves. Sentences. */
  readonly degraded: readonly string[];
}
export interface StatusPort {
  report(): StatusReport;
  /** Prometheus text format, version 0.0.4; absent: another listener has it. */
  metrics?(): Promise<string>;
}

/**
 * `/livez`: the process answers. `/readyz`: 200 while every role serves, else 503; `status` is `ready`, `degraded` or
 * `not ready`, with the reasons. `/metrics`.
 */
export function statusRoutes(app: FastifyInstance, { report, metrics }: StatusPort): void {
  app.get("/livez", async () => "alive\n");
  app.get("/readyz", async (_request, reply) => {
    const { notReady, degraded } = report();
    const status = notReady.length > 0 ? "not ready" : degraded.length > 0 ? "degraded" : "ready";
    return reply.code(notReady.length > 0 ? 503 : 200).send({ status, reasons: [...notReady, ...degraded] });
  });
  if (metrics)
    app.get("/metrics", async (_request, reply) => reply.type("text/plain; version=0.0.4; charset=utf-8").send(await metrics()));
}

/** The admin listener's server, not listening yet. */
export function statusServer(port: StatusPort): FastifyInstance {
  const app = fastify({ requestTimeout: LIMITS.httpRequestMs, forceCloseConnections: true });
  statusRoutes(app, port);
  return app;
}
