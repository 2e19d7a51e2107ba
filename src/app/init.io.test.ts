import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import type { Address } from "#host/host.ts";
import { nodeHost } from "#host/node/index.ts";
import { StreamTransport } from "#sip/index.ts";
import { ask, Party } from "#sip/test-party.ts";
import { allFaults } from "./config-checks.ts";
import { readConfig } from "./config-file.ts";
import { runInit } from "./init.ts";
import { HOME } from "./test-program.ts";

function folderOf(t: TestContext): string {
  const parent = mkdtempSync(path.join(tmpdir(), "sipcast-"));
  t.after(() => rmSync(parent, { recursive: true }));
  return path.join(parent, "keys");
}
const FLAGS = { domain: "tv.example", ds: ["ds1", "ds2"] };

test("init makes an authority, a certificate a DS that names the domain and every DS, and a key, for their owner alone", async (t) => {
  const folder = folderOf(t);
  await runInit(folder, FLAGS);
  const files = ["ca.key", "ca.pem", "ds1.key", "ds1.pem", "ds2.key", "ds2.pem", "operator.key"];
  assert.deepEqual(readdirSync(folder).sort(), files);
  for (const file of files) assert.equal(statSync(path.join(folder, file)).mode & 0o777, 0o600, file);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.equal(statSync(path.join(folder, "operator.key")).size, 32);
  const read = (file: string) => new X509Certificate(readFileSync(path.join(folder, file)));
  const [authority, second] = [read("ca.pem"), read("ds2.pem")];
  assert.ok(second.verify(authority.publicKey) && authority.ca && !second.ca);
  assert.deepEqual(
    second.subjectAltName?.split(", "),
    ["ds2", "", "ds1"].flatMap((id) => ["DNS:", "URI:sip:"].map((kind) => `${kind}${id && `${id}.`}tv.example`)),
  );
});

test("init replaces nothing unless it is told to", async (t) => {
  const folder = folderOf(t);
  await runInit(folder, FLAGS);
  const before = readFileSync(path.join(folder, "ca.pem"), "utf8");
  await assert.rejects(runInit(folder, { ...FLAGS, ds: ["ds9"] }), /ca\.pem, ca\.key, operator\.key already/);
  assert.equal(readFileSync(path.join(folder, "ca.pem"), "utf8"), before);
  assert.ok(!readdirSync(folder).includes("ds9.pem"));
  await runInit(folder, { ...FLAGS, force: true });
  assert.notEqual(readFileSync(path.join(folder, "ca.pem"), "utf8"), before);
});

for (const name of ["north", "south"])
  test(`deploy/two-machines/${name}.yaml has no faults with what init makes for its machines`, async (t) => {
    const folder = folderOf(t);
    await runInit(folder, { ...FLAGS, nats: ["192.0.2.1", "192.0.2.2"] });
    const text = readFileSync(path.join(HOME, `deploy/two-machines/${name}.yaml`), "utf8");
    const config = readConfig(text.replaceAll(/\/etc\/sipcast|\/var\/lib\/sipcast/g, folder), {});
    assert.deepEqual(allFaults(config), []);
  });

for (const flags of [
  { domain: "TV example", ds: ["ds1"] },
  { domain: "*.example", ds: ["ds1"] },
  { domain: "tv.example", ds: ["../x"] },
])
  test(`init refuses ${flags.ds[0]}.${flags.domain}: no domain name`, async (t) => {
    await assert.rejects(runInit(folderOf(t), flags), /is no domain name/);
  });

test("a DS on the certificate that init made is taken for the domain, and for the DS beside it (PROTOCOL §9)", async (t) => {
  const folder = folderOf(t);
  await runInit(folder, FLAGS);
  const read = (file: string): string => readFileSync(path.join(folder, file), "utf8");
  const host = nodeHost();
  const [ds, client] = [new Party(host), new Party(host)];
  const server = { cert: read("ds1.pem"), key: read("ds1.key") };
  const at = await new Promise<Address>((listening, failed) => {
    const listen = { bind: { host: "127.0.0.1", port: 0 }, listening, failed };
    ds.driver.addTransport(new StreamTransport(host, { listen, tls: { server } }));
  });
  client.driver.addTransport(new StreamTransport(host, { sentBy: { host: "client.example" }, tls: { ca: read("ca.pem") } }));
  const names = ["tv.example", "ds1.tv.example", "ds2.tv.example"];
  const answered = new Promise<void>((done) => {
    client.onResponse = ({ status }) => {
      client.told.push(`${status}`);
      if (client.told.length === names.length) done();
    };
  });
  for (const domain of names) client.driver.request(ask("OPTIONS"), { transport: "tls", ...at, domain });
  await answered;
  assert.deepEqual(client.told, ["200", "200", "200"]);
  for (const party of [ds, client]) party.driver.stop();
});
