import assert from "node:assert/strict";
import { SILENT } from "#base/log.ts";
import { InProcessCarrier, OverlayNode, type Reply } from "#overlay/index.ts";
import { quickPasswords } from "#registration/index.ts";
import { simTest } from "#sim/index.ts";
import { startRegistration } from "./registration.ts";

simTest("the registration role serves until it is stopped [B5]", (net) => {
  const carrier = new InProcessCarrier(() => [1]);
  const join = (id: string, role: "registration" | "web") => {
    const host = net.host(id, role === "web" ? "127.0.0.2" : "127.0.0.1");
    return { host, overlay: new OverlayNode(carrier, host, { id, role, info: {} }) };
  };
  const { host, overlay } = join("registration", "registration");
  const context = { host, overlay, log: SILENT, operatorKey: new Uint8Array(32), failed: () => assert.fail() };
  const role = startRegistration(context, { domain: "sipcast.test", database: ":memory:", placement: [] }, quickPasswords(host));
  const web = join("web1", "web").overlay;
  net.run(20);
  assert.equal(web.members("registration")[0]?.phase, "serving");

  const replies: Reply[] = [];
  const ask = (): void => web.request("registration", "registration.channels", {}, (reply) => replies.push(reply));
  ask();
  net.run(20);
  let stopped = false;
  role.stop(() => {
    stopped = true;
  });
  net.run(20);
  ask();
  net.run(20);
  assert.ok(stopped);
  assert.deepEqual(replies, [
    { ok: true, body: { channels: [] } },
    { ok: false, cause: "unknown-member" },
  ]);
});
