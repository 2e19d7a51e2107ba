import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, beforeEach, test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { SILENT } from "#base/log.ts";
import { planDemo } from "../demo-plan.ts";
import { askControl, controlPath, livingSockets, serveControl } from "./socket.ts";

const parent = mkdtempSync(path.join(tmpdir(), "sipcast-"));
after(() => rmSync(parent, { recursive: true }));
let folders = 0;
beforeEach(() => {
  process.env["XDG_RUNTIME_DIR"] = path.join(parent, `${folders++}`);
});
const DEMO = { sites: 1, webPort: 8_080, accessKbps: 1_000, coreKbps: 1_000, digest: ["SHA-256"] } as const;
const demoSocket = (basePort: number): string => controlPath(planDemo({ ...DEMO, basePort }).config);
const echo = (question: unknown, told: (answer: unknown) => void): void => told({ question });
const warnings: unknown[] = [];
const log = { ...SILENT, warn: (event: string, fields?: Readonly<Record<string, unknown>>) => void warnings.push(event, fields) };

test("a question is answered, for the owner alone; what is no JSON is a question of nothing", async () => {
  const file = demoSocket(5_060);
  const close = await serveControl(file, echo, SILENT);
  assert.deepEqual([statSync(file).mode & 0o777, statSync(path.dirname(file)).mode & 0o777], [0o600, 0o700]);
  assert.deepEqual(await askControl(file, { ask: "members" }), { question: { ask: "members" } });
  const raw = await new Promise<string>((said) => {
    net.connect(file, function (this: net.Socket) {
      this.setEncoding("utf8").once("data", (text) => said(String(text)));
      this.write("no JSON\n");
    });
  });
  assert.equal(raw, "{}\n");
  close();
});

test("services without data are found by user; with data the socket stands there", async () => {
  assert.deepEqual(await livingSockets(), []);
  const files = [demoSocket(5_060), demoSocket(5_160)];
  const closes = await Promise.all(files.map((file) => serveControl(file, echo, SILENT)));
  assert.deepEqual((await livingSockets()).toSorted(), files);
  assert.match(files[1] ?? "", /\/sipcast\.test@127\.0\.0\.1:5160\.sock$/);
  for (const close of closes) close();
  assert.deepEqual(await livingSockets(), []);
  assert.equal(controlPath(planDemo({ ...DEMO, basePort: 5_060, data: "/d" }).config), "/d/control.sock");
});

test("what a killed process left is replaced; a socket that is answered is not", async () => {
  const file = demoSocket(5_060);
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, "");
  const close = await serveControl(file, echo, SILENT);
  await serveControl(file, () => assert.fail("the second was asked"), log);
  assert.match(String(warnings.pop()), /object/);
  assert.equal(warnings.pop(), "sipcast ctl is not answered");
  assert.deepEqual(await askControl(file, 1), { question: 1 });
  close();
});

test("a folder that others may write to is neither used nor believed", async () => {
  const file = demoSocket(5_060);
  mkdirSync(path.dirname(file), { recursive: true });
  chmodSync(path.dirname(file), 0o777);
  await serveControl(file, echo, log);
  assert.deepEqual([warnings.splice(0).length, readdirSync(path.dirname(file))], [2, []]);
  assert.deepEqual(await livingSockets(), []);
});

test("who says more than LIMITS.controlQuestionChars is let go, and who comes above LIMITS.controlConnections", async () => {
  const file = demoSocket(5_060);
  const close = await serveControl(file, echo, SILENT);
  const longest = "x".repeat(LIMITS.controlQuestionChars - 3);
  assert.deepEqual(await askControl(file, longest), { question: longest });
  await assert.rejects(askControl(file, `${longest}x`), /No sipcast process answers at/);
  const waiting = Array.from({ length: LIMITS.controlConnections }, () => net.connect(file));
  await Promise.all(waiting.map((socket) => new Promise((open) => socket.once("connect", open))));
  await assert.rejects(askControl(file, 1), /No sipcast process answers at/);
  for (const socket of waiting) socket.destroy();
  close();
});

test("where nobody answers it is said so", async () => {
  await assert.rejects(
    askControl("/no/such.sock", 1),
    /No sipcast process answers at \/no\/such\.sock: there is no such socket\./,
  );
});
