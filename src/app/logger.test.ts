import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogFormat } from "./config-schema.ts";
import { createLogger } from "./logger.ts";

function lines(format: LogFormat, act: (log: ReturnType<typeof createLogger>) => void): string[] {
  const written: string[] = [];
  act(createLogger(format, "info", (line) => written.push(line)));
  return written;
}

test("a JSON line has level, time, event and the fields", () => {
  const [line = ""] = lines("json", (log) => log.info("call begun", { user: "alice", setupMs: 12, callId: "c1" }));
  const { time, ...rest } = JSON.parse(line) as Record<string, unknown>;
  assert.deepEqual(rest, { level: "info", event: "call begun", user: "alice", setupMs: 12, callId: "c1" });
  assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

test("a pretty line is one a person reads", () => {
  const [line = ""] = lines("pretty", (log) => log.warn("cannot serve", { what: "COPS", error: new Error("port taken") }));
  assert.match(line, /^\d\d:\d\d:\d\d\.\d{3} warn {2}cannot serve what=COPS error=port taken\n$/);
});

const SECRETS: { name: string; fields: Record<string, unknown> }[] = [
  { name: "a password", fields: { password: "hunter2" } },
  { name: "a device secret, deep", fields: { account: { devices: [{ deviceSecret: "hunter2" }] } } },
  { name: "an Authorization header field", fields: { headers: { Authorization: "Digest hunter2" } } },
  { name: "a Proxy-Authorization header field", fields: { headers: { "proxy-authorization": "Digest hunter2" } } },
  { name: "cookies of both ways", fields: { cookie: "sipcast=hunter2", "set-cookie": "sipcast=hunter2" } },
  { name: "the operator key", fields: { operatorKey: "hunter2" } },
  { name: "a media token and an HA1", fields: { token: "hunter2", ha1: "hunter2" } },
  { name: "octets, which may be anything", fields: { bytes: new TextEncoder().encode("hunter2") } },
  {
    name: "a message in an error's text",
    fields: { error: new Error("bad: INVITE x\r\nAuthorization: Digest hunter2\r\n\r\n") },
  },
  { name: "a Cookie line in a text", fields: { head: "GET / HTTP/1.1\r\ncookie:sipcast=hunter2" } },
];
for (const { name, fields } of SECRETS)
  for (const format of ["json", "pretty"] as const)
    test(`${format} logs never show ${name}`, () => {
      const [line = ""] = lines(format, (log) => log.error("event", fields));
      assert.match(line, /event/);
      assert.doesNotMatch(line, /hunter2|104,117,110/);
    });

test("what is below the level is not written; the level may change; off writes nothing", () => {
  const written = lines("json", (log) => {
    log.debug("one");
    log.setLevel("debug");
    log.debug("two");
    log.setLevel("error");
    log.warn("three");
  });
  assert.deepEqual(
    written.map((line) => (JSON.parse(line) as { event: string }).event),
    ["two"],
  );
  const off = lines("off", (log) => {
    log.setLevel("debug");
    log.error("one");
  });
  assert.deepEqual(off, []);
});
