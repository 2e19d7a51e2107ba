import { webServer } from "#http/index.ts";
import type { RoleContext, RunningRole, WebConfig } from "./types.ts";

/** The web role [B6]: page, API and the WebSocket proxy on `config.listen`. */
export function startWeb(context: RoleContext, config: WebConfig): RunningRole {
  const { host, overlay, log, operatorKey } = context;
  const server = webServer({ host, overlay, log, operatorKey }, config);
  const listening = server
    .then((app) => app.listen(config.listen))
    .then(
      (at) => {
        overlay.setPhase("serving");
        log.info("web serves", { at });
      },
      (error: Error) => context.failed("web", error),
    );
  return {
    stop(stopped) {
      overlay.leave();
      void listening.then(async () => (await server).close()).then(stopped, stopped);
    },
  };
}
