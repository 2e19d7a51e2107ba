import assert from "node:assert/strict";
import { test } from "node:test";
import { SILENT } from "#base/log.ts";
import { nodeHost } from "#host/node/index.ts";
import { InProcessCarrier, OverlayNode } from "#overlay/index.ts";
import { startWeb } from "./web.ts";

const host = nodeHost();
const carrier = new InProcessCarrier();
const CONFIG = { domain: "tv.example", pages: "/nowhere", sip: {}, media: {}, origins: [] };

function start(id: string, port: number) {
  const told: { serves: string | undefined; failures: string[] } = { serves: undefined, failures: [] };
  let settled = (): void => undefined;
  const isSettled = new Promise<void>((done) => {
    settled = done;
  });
  const overlay = new OverlayNode(carrier, host, { id, role: "web", info: {} });
  const log = {
    ...SILENT,
    info: (_event: string, fields?: Readonly<Record<string, unknown>>) => {
      told.serves = String(fields?.["at"]);
      settled();
    },
  };
  const failed = (what: string) => {
    told.failures.push(what);
    settled();
  };
  const role = startWeb(
    { host, overlay, log, operatorKey: new Uint8Array(32), failed },
    { ...CONFIG, listen: { host: "127.0.0.1", port } },
  );
  return { told, overlay, isSettled, stopped: () => new Promise<void>((done) => role.stop(done)) };
}

test("startWeb says that it serves; a second one on its port says that it cannot; both stop", async () => {
  const first = start("web1", 0);
  await first.isSettled;
  const url = new URL(first.told.serves ?? "");
  assert.equal((await fetch(new URL("/livez", url))).status, 200);
  assert.equal(first.overlay.self.phase, "serving");
  const second = start("web2", Number(url.port));
  await second.isSettled;
  assert.deepEqual([second.told.failures, second.overlay.self.phase], [["web"], "joining"]);
  await Promise.all([first.stopped(), second.stopped()]);
  await assert.rejects(fetch(new URL("/livez", url)));
});
