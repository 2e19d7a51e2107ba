import { test } from "node:test";
import { nodeHost } from "#host/node/index.ts";
import { CONFORMANCE, type Stage } from "./carriers/conformance.ts";
import { InProcessCarrier, OverlayNode } from "./index.ts";

for (const { name, script } of CONFORMANCE) {
  test(`in one process: ${name}`, { timeout: 20_000 }, async () => {
    const host = nodeHost();
    const carrier = new InProcessCarrier();
    const joined: OverlayNode[] = [];
    const join: Stage["join"] = (id, role) => {
      const overlay = new OverlayNode(carrier, host, { id, role, info: { name: id } });
      joined.push(overlay);
      return overlay;
    };
    for (const condition of script({ join }))
      while (!condition()) await new Promise((next) => host.timer(host.nowMs(), () => next(0)));
    for (const overlay of joined) overlay.leave();
  });
}
