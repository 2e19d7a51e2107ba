/** Two `sipcast serve` that only NATS joins, with nothing but what `sipcast init` made. */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { toolOrSkip, until } from "#host/node/test-tools.ts";
import { SPARE_OFFSET, TestOperator } from "../test-operator.ts";
import { signUp } from "../test-people.ts";
import { Bench, SERVING } from "../test-program.ts";

const bench = new Bench();
after(() => bench.close());
const NATS_HOST = `127.${(process.pid >> 8) & 0xff}.${process.pid & 0xff}.99`;
const at = (name: string): string => path.join(bench.folder, name);

/** The demo in two files, a site each: the first has broker, registration and web as well. */
function writeMachines(operator: TestOperator): { front: string; back: string } {
  const { domain, ds, edge, broker, web } = operator.config;
  const nats = { servers: [`${NATS_HOST}:4222`], tls: { ca: at("keys/ca.pem") }, nkey: at("keys/nats.nkey") };
  const machine = (name: string, roles: object): string => {
    mkdirSync(at(name), { mode: 0o700 });
    copyFileSync(at("keys/operator.key"), at(`${name}/operator.key`));
    return operator.write(name, { domain, data: at(name), overlay: { nats }, ...roles });
  };
  const addresses = { sip: { ds2: operator.at(11) }, media: { edge2: operator.at(13) } };
  const registration = { placement: [{ ds: "ds2", prefix: "127.0.0.0/8" }] };
  const front = { ds: ds.slice(0, 1), edge: edge.slice(0, 1), broker, registration, web: [{ ...web[0], ...addresses }] };
  const back = { ds: ds.slice(1), edge: [{ ...edge[1], broker: broker[0]?.["cops"] }] };
  return { front: machine("front", front), back: machine("back", { admin: operator.at(SPARE_OFFSET), ...back }) };
}

test("a site on another machine is found by NATS: its users sign up here, and what is on air there is in the guide", async (t) => {
  if (!toolOrSkip(t, "nats-server")) return;
  const operator = await TestOperator.planned(bench);
  const init = bench.sipcast("init", at("keys"), "--domain", operator.config.domain, "--nats", NATS_HOST);
  assert.equal(await init.exit(), 0, init.err);
  const files = writeMachines(operator);
  const [front, back] = [files.front, files.back].map((file) => bench.sipcast("serve", "--config", file, "--log", "json"));
  assert.ok(front && back);
  await front.says(/"event":"overlay: no NATS server"/);
  bench.run("nats-server", "-c", at("keys/nats1.conf"));
  await Promise.all([front.says(SERVING), back.says(SERVING)]);

  const { home, secret, channel } = await signUp(operator.web, "dora");
  assert.equal(home, "ds2");
  const identity = ["--ds", operator.at(10), "--domain", operator.config.domain, "--user", "dora", "--secret", secret];
  const broadcast = bench.sipcast("broadcast", channel, "testdata/clips/news.ts", ...identity);
  await broadcast.says(new RegExp(`^${channel} is on air`, "m"));
  const onAir = async (): Promise<unknown[]> => {
    const channels = (await (await fetch(`${operator.web}/api/channels`)).json()) as { name: string; onAir: boolean }[];
    return channels.map(({ name, onAir }) => [name, onAir]);
  };
  await until("the guide here has what is on air there", async () => isDeepStrictEqual(await onAir(), [[channel, true]]));
  assert.deepEqual(await Promise.all([front.stop("SIGTERM"), back.stop("SIGTERM")]), [0, 0]);
});
