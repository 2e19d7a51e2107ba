import { type HttpCounts, type StatusPort, type WebServer, webServer } from "#http/index.ts";
import type { RoleContext, RunningRole, WebConfig } from "./types.ts";

export interface RunningWeb extends RunningRole {
  /** `undefined` before it is there. */
  counts(): HttpCounts | undefined;
}

/** The web role [B6]: page, API, the WebSocket proxy and how this process is, on `config.listen`. */
export function startWeb(context: RoleContext, config: WebConfig, status?: StatusPort): RunningWeb {
  const { host, overlay, log, operatorKey } = context;
  const server = webServer({ host, overlay, log, operatorKey, ...(status && { status }) }, config);
  let counts: WebServer["counts"] | undefined;
  const listening = server
    .then((made) => {
      counts = made.counts;
      return made.app.listen({ ...config.listen }); // which is written to
    })
    .then(
      (at) => {
        overlay.setPhase("serving");
        log.info("web serves", { at });
      },
      (error: Error) => context.failed("web", error),
    );
  return {
    counts: () => counts?.(),
    stop(stopped) {
      overlay.leave();
      void listening.then(async () => (await server).app.close()).then(stopped, stopped);
    },
  };
}
