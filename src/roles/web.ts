import { webServer } from "#http/index.ts";
import type { RoleContext, RunningRole, WebConfig } from "./types.ts";

/** The web role [B6]: page, API and the WebSocket proxy on `config.listen`. */
export function startWeb(context: RoleContext, config: WebConfig): RunningRole {
  const { host, overlay, log, operatorKey } = context;
  const server = webServer({ host, overlay, log, operatorKey }, config);
  const listening = server
    .then((app) => app.listen(config.listen))
    .then(
      (at) => log.info("web.listening", { at }),
      (error: Error) => context.failed("web", error),
    );
  return {
    stop: (stopped) => {
      void listening.then(async () => (await server).close()).then(stopped, stopped);
    },
  };
}
