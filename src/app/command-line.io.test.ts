/** The commands as a newcomer uses them, against one demo. */
import assert from "node:assert/strict";
import dgram from "node:dgram";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import { type Address, showAddress } from "#host/host.ts";
import { nodeHost } from "#host/node/index.ts";
import { toolOrSkip, until } from "#host/node/test-tools.ts";
import { SCENARIOS } from "#sim/scenarios.ts";
import { response, StreamTransport, UdpTransport } from "#sip/index.ts";
import { Party } from "#sip/test-party.ts";
import type { DemoReady } from "./demo-state.ts";
import { runInit } from "./init.ts";
import { Bench, type Program } from "./test-program.ts";

const bench = new Bench();
const CLIP = "testdata/clips/sport.ts";
const STOP_WITHIN_MS = 5_000;
let demo: { program: Program; ready: DemoReady; basePort: number };

before(async () => {
  demo = await bench.demo();
});
after(() => bench.close());

const fileIn = (name: string): string => path.join(bench.folder, name);

/** What ffprobe finds, and nothing to complain of. */
async function codecs(file: string): Promise<string[]> {
  const probe = bench.run("ffprobe", "-v", "warning", "-show_entries", "stream=codec_name", "-of", "csv=p=0", file);
  assert.deepEqual([await probe.exit(), probe.err], [0, ""]);
  return [...new Set(probe.out.split("\n").filter(Boolean))].sort();
}

test("demo --json: one line with the fields of the contract (DESIGN §7)", () => {
  const { ready, basePort } = demo;
  const at = (offset: number): string => `127.0.0.1:${basePort + offset}`;
  const site = (number: number, first: number) => ({
    name: `site${number}`,
    ds: { udp: at(first), tcp: at(first), ws: `ws://${at(first + 1)}` },
    edge: { cops: at(first + 2) },
  });
  const account = (user: string) => ({
    user,
    aor: `sip:${user}@sipcast.test`,
    password: `${user}-demo`,
    deviceSecret: `${user}-device`,
  });
  assert.deepEqual(ready, {
    ready: true,
    web: `http://${at(90)}`,
    domain: "sipcast.test",
    sites: [site(1, 0), site(2, 10)],
    broker: { cops: at(8) },
    accounts: ["alice", "bob", "studio"].map(account),
    channels: ["alice-tv", "bob-tv", "news", "sport"],
  } satisfies DemoReady);
});

test("demo: given ports that are taken are a plain error", async () => {
  const { basePort } = demo;
  for (const [flags, sentence] of [
    [["--base-port", `${basePort}`], `Ports from ${basePort} on are taken. Choose others with --base-port.`],
    [["--web-port", `${basePort + 90}`], `Port ${basePort + 90} is taken. Choose another with --web-port.`],
  ] as const) {
    const second = bench.sipcast("demo", ...flags);
    assert.equal(await second.exit(), 1);
    assert.equal(second.err.trim().split("\n").at(-1), `sipcast: ${sentence}`);
    assert.equal(second.out, "");
  }
});

test("demo: where the usual ports are taken it moves on and says so; its banner says what to do next; SIGTERM ends it", async (t) => {
  const elsewhere = new Bench(); // or its notice would replace the other demo's
  t.after(() => elsewhere.close());
  const squatter = dgram.createSocket("udp4").on("error", () => undefined); // taken already: as good
  t.after(() => squatter.close());
  await new Promise<void>((settled) => squatter.once("error", settled).bind(5_060, "127.0.0.1", settled));
  const second = elsewhere.sipcast("demo");
  await second.says(/Ctrl-C stops everything/);
  const basePort = Number(/Ports from 5060 on are taken: SIP and COPS use those from (\d+) on instead\./.exec(second.err)?.[1]);
  assert.ok(basePort > 5_060);
  for (const line of [
    /^sipcast is on air: http:\/\/localhost:\d+$/m,
    new RegExp(`^ {2}site1 {3}SIP .*127.0.0.1:${basePort}, ws://127.0.0.1:${basePort + 1} {3}COPS`, "m"),
    /^ {2}broker {2}COPS 127\.0\.0\.1:\d+$/m,
    /^ {4}alice +alice-demo +alice-device$/m,
    /^ {4}bin\/sipcast watch news -o news\.ts$/m,
    /^ {4}bin\/sipcast broadcast bob-tv testdata\/clips\/sport\.ts$/m,
  ])
    assert.match(second.err, line);
  assert.equal(await second.stop("SIGTERM", STOP_WITHIN_MS), 0);
  assert.equal(second.out, "", "nothing but errors and progress was said");
});

test("watch: by multicast, by unicast and at the other site, a file that players take as it is", async (t) => {
  if (!toolOrSkip(t, "ffprobe")) return;
  const ways = [
    { file: fileIn("multicast.ts"), flags: [], says: /group 232\.0\.1\.\d+:\d+, source 127\.0\.1\.1,/ },
    { file: fileIn("unicast.ts"), flags: ["--unicast"], says: /reserved, a stream of its own,/ },
    { file: fileIn("bob.ts"), flags: ["--user", "bob"], says: /group 232\.0\.2\.\d+:\d+, source 127\.0\.2\.1,/ },
  ];
  await Promise.all(
    ways.map(async ({ file, flags, says }) => {
      const watch = bench.sipcast("watch", "news", "-o", file, "--seconds", "2", ...flags);
      assert.equal(await watch.exit(), 0, watch.err);
      assert.match(watch.err, says);
      assert.match(watch.err, /Received \d+ kB\.\n$/);
      assert.deepEqual(await codecs(file), ["aac", "h264"]);
    }),
  );
});

test("watch -o -: the stream goes into a pipe; whoever reads it may go when he likes", async (t) => {
  if (!toolOrSkip(t, "ffprobe")) return;
  const probe = "ffprobe -v warning -show_entries stream=codec_name -of csv=p=0 -";
  const whole = bench.run("sh", "-c", `bin/sipcast watch news -o - --seconds 1 | ${probe}`);
  const partly = bench.run("sh", "-c", '(bin/sipcast watch news -o -; echo "exit code $?" >&2) | head -c 1000 | wc -c');
  assert.equal(await whole.exit(), 0);
  assert.deepEqual([...new Set(whole.out.split("\n").filter(Boolean))].sort(), ["aac", "h264"]);
  assert.equal(await partly.exit(), 0);
  assert.equal(partly.out.trim(), "1000");
  assert.match(partly.err, /exit code 0\n$/);
});

test("broadcast: on air until Ctrl-C; whoever watches is told that the channel has ended", async () => {
  const broadcast = bench.sipcast("broadcast", "bob-tv", CLIP);
  await broadcast.says(/^bob-tv is on air: .+, 301 kbit\/s, over and over, to 127\.0\.2\.1:\d+\. Ctrl-C ends it\.$/m);
  const watch = bench.sipcast("watch", "bob-tv", "-o", fileIn("bob-tv.ts"));
  await watch.says(/^Watching bob-tv/m);
  await until("a picture", () => readFileSync(fileIn("bob-tv.ts")).length > 0);
  assert.equal(await broadcast.stop("SIGINT", STOP_WITHIN_MS), 0);
  assert.match(broadcast.err, /^bob-tv is off air\.$/m);
  assert.equal(await watch.exit(), 0);
  assert.match(watch.err, /^bob-tv: The channel has ended\.$/m);
});

const ERRORS: readonly { name: string; args: string[]; sentence: RegExp }[] = [
  { name: "a --ca without TLS", args: ["watch", "news", "-o", "-", "--ca", "ca.pem"], sentence: /--ca is for --transport tls\./ },
  { name: "no such channel", args: ["watch", "nothing", "-o", "-"], sentence: /There is no such channel\./ },
  { name: "a channel off air", args: ["watch", "alice-tv", "-o", "-"], sentence: /This channel is off air at the moment\./ },
  {
    name: "a file that cannot be written",
    args: ["watch", "news", "-o", "/nowhere/news.ts"],
    sentence: /Cannot write \/nowhere\/news\.ts: ENOENT/,
  },
  {
    name: "a wrong secret",
    args: ["watch", "news", "-o", "-", "--secret", "guess"],
    sentence: /The device secret of alice was not accepted\./,
  },
  {
    name: "no DS there",
    args: ["watch", "news", "-o", "-", "--ds", "127.0.0.1:9"],
    sentence: /No answer from a DS at 127\.0\.0\.1:9\./,
  },
  {
    name: "a --ds that is no address",
    args: ["watch", "news", "-o", "-", "--ds", "here"],
    sentence: /--ds is "here", an address and a port are needed/,
  },
  {
    name: "somebody else's channel",
    args: ["broadcast", "news", CLIP, "--user", "alice"],
    sentence: /This channel belongs to somebody else\./,
  },
  { name: "a channel on air already", args: ["broadcast", "news", CLIP], sentence: /This channel is already on air/ },
  {
    name: "no transport stream",
    args: ["broadcast", "bob-tv", "package.json"],
    sentence: /package\.json cannot be broadcast\./,
  },
  {
    name: "more renditions than a channel has",
    args: ["broadcast", "bob-tv", CLIP, CLIP, CLIP, CLIP],
    sentence: /A channel has 3 renditions at most\./,
  },
  {
    name: "standard input at several rates",
    args: ["broadcast", "bob-tv", "-", "--rates", "800,300"],
    sentence: /--rates encodes one source at each rate/,
  },
  { name: "no such file", args: ["broadcast", "bob-tv", "nothing.ts"], sentence: /There is no file nothing\.ts\./ },
  { name: "a folder", args: ["broadcast", "bob-tv", "/tmp"], sentence: /\/tmp is a folder: name a file in it\./ },
  {
    name: "a URL without an address",
    args: ["broadcast", "bob-tv", "udp://nonsense"],
    sentence: /udp:\/\/nonsense names no address and port, as udp:\/\/127\.0\.0\.1:5000/,
  },
  {
    name: "a port that there is not",
    args: ["broadcast", "bob-tv", "udp://127.0.0.1:99999"],
    sentence: /udp:\/\/127\.0\.0\.1:99999 names no address and port/,
  },
  {
    name: "a device without a picture",
    args: ["broadcast", "bob-tv", "/dev/zero"],
    sentence: /\/dev\/zero (cannot be|needs ffm)/,
  },
  {
    name: "two renditions at one rate",
    args: ["broadcast", "bob-tv", `${CLIP}@500`, `${CLIP}@500`],
    sentence: /Give each rendition a rate of its own, as SOURCE@KBPS\./,
  },
  {
    name: "whom to refuse, of nobody who asks",
    args: ["broadcast", "bob-tv", CLIP, "--refuse", "eve"],
    sentence: /--refuse is for --ask\./,
  },
  {
    name: "an interface elsewhere",
    args: ["watch", "news", "-o", "-", "--interface", "192.0.2.1"],
    sentence: /--interface is "192\.0\.2\.1", which is no address of this machine\./,
  },
  {
    name: "a DS named twice",
    args: ["init", "keys", "--domain", "tv.example", "--ds", "ds1", "ds1"],
    sentence: /ds1 is named twice\./,
  },
  { name: "a file that is no text", args: ["check", "-c", CLIP], sentence: /.*sport\.ts is no text: not all of it is UTF-8\./ },
  {
    name: "a script that is none",
    args: ["simulate", "faults", "--script", "package.json"],
    sentence: /package\.json has no script of a run\./,
  },
  { name: "no such scenario", args: ["simulate", "nothing"], sentence: /There is no scenario nothing\. There are: first-light/ },
];
suite("errors", { concurrency: 4 }, () => {
  for (const { name, args, sentence } of ERRORS) {
    test(`${args[0]}: ${name} is a plain sentence and exit code 1`, async () => {
      const program = bench.sipcast(...args);
      assert.equal(await program.exit(), 1);
      assert.match(program.err, new RegExp(`^sipcast: ${sentence.source}`, "m"));
      assert.doesNotMatch(program.err, /^ +at /m, "no stack");
      assert.equal(program.out, "");
    });
  }
});

const MISUSES: readonly { args: string[]; sentence: string }[] = [
  {
    args: ["watch", "news", "--rate", "fast"],
    sentence: "option '--rate <kbit/s>' argument 'fast' is invalid. Give a whole number from 64 to 20000.",
  },
  {
    args: ["broadcast", "bob-tv", CLIP, "--rates", "2000,2000"],
    sentence:
      "option '--rates <list>' argument '2000,2000' is invalid. Give each rate once, the highest first, e.g. 2000,800,300.",
  },
  { args: ["watch"], sentence: "missing required argument 'channel'" },
  { args: ["wach"], sentence: "unknown command 'wach'\n(Did you mean watch?)" },
];
suite("misuse", { concurrency: 4 }, () => {
  for (const { args, sentence } of MISUSES)
    test(`${args.join(" ")} is answered by a sentence, where to find more, and exit code 2`, async () => {
      const program = bench.sipcast(...args);
      assert.deepEqual([await program.exit(), program.out], [2, ""]);
      assert.equal(program.err, `sipcast: ${sentence}\nsipcast --help, or sipcast COMMAND --help, tells what there is.\n`);
    });
});

test("broadcast -: what is no transport stream is said, and goes off air", async () => {
  const broadcast = bench.run("sh", "-c", "exec bin/sipcast broadcast bob-tv - < /dev/urandom");
  assert.equal(await broadcast.exit(), 1);
  assert.match(broadcast.err, /^sipcast: Standard input is no MPEG transport stream\.$/m);
});

test("watch: a DS that cannot register anybody at the moment is asked again (RFC 5626 §4.5)", async (t) => {
  const ds = new Party(nodeHost());
  t.after(() => ds.driver.stop());
  ds.answer = (asked, id) => ds.driver.respond(id, response(asked, 503));
  const at = await new Promise<Address>((listening, failed) => {
    ds.driver.addTransport(new UdpTransport(nodeHost(), { host: "127.0.0.1", port: 0 }, { listening, failed }));
  });
  const watch = bench.sipcast("watch", "news", "-o", "-", "--ds", showAddress(at));
  await watch.says(/^The DS cannot register alice now \(503\)\. Trying again in \d\d s; Ctrl-C ends it\.$/m);
  assert.equal(await watch.stop("SIGINT", STOP_WITHIN_MS), 0);
});

test("watch: by TCP", async () => {
  const watch = bench.sipcast("watch", "news", "-o", fileIn("tcp.ts"), "--transport", "tcp", "--seconds", "1");
  assert.deepEqual([await watch.exit(), readFileSync(fileIn("tcp.ts")).length > 0], [0, true]);
});
test("watch: by TLS, to a DS that shows a certificate by the authority of --ca (RFC 5922 §7.3)", async (t) => {
  const folder = fileIn("keys");
  await runInit(folder, { domain: "tv.example", ds: ["ds1"] });
  const [cert, key] = ["ds1.pem", "ds1.key"].map((file) => readFileSync(path.join(folder, file), "utf8"));
  assert.ok(cert && key);
  const ds = new Party(nodeHost());
  t.after(() => ds.driver.stop());
  ds.answer = (asked, id) => ds.driver.respond(id, response(asked, 503));
  const at = await new Promise<Address>((listening, failed) => {
    const listen = { bind: { host: "127.0.0.1", port: 0 }, listening, failed };
    ds.driver.addTransport(new StreamTransport(nodeHost(), { listen, tls: { server: { cert, key } } }));
  });
  const args = ["watch", "news", "-o", "-", "--ds", showAddress(at), "--domain", "tv.example", "--transport", "tls"];
  const [known, unknown] = [bench.sipcast(...args, "--ca", path.join(folder, "ca.pem")), bench.sipcast(...args)];
  await known.says(/^The DS cannot register alice now \(503\)\./m);
  assert.equal(await known.stop("SIGINT", STOP_WITHIN_MS), 0);
  assert.equal(await unknown.exit(), 1);
  assert.match(unknown.err, /^sipcast: No answer from a DS/m);
});

test("ctl: a demo is found without being named; its members and channels are shown", async () => {
  const [members, row] = [bench.sipcast("ctl", "members"), bench.sipcast("ctl", "row", "news", "--json")];
  assert.deepEqual([await members.exit(), await row.exit(), members.err, row.err], [0, 0, "", ""]);
  assert.match(
    members.out,
    /^member +role +phase +incarnation +heard +delay\nbroker +broker +serving +\d+ +- +-\nds1 +ds +serving /,
  );
  const { rows, silent } = JSON.parse(row.out) as { rows: { at: string; owner: string }[]; silent: string[] };
  assert.deepEqual([rows.map(({ at, owner }) => `${at} ${owner}`), silent], [["ds1 ds1", "ds2 ds1", "web ds1"], []]);
});

test("watch: without a demo on this machine it says what to do", async (t) => {
  const elsewhere = new Bench();
  t.after(() => elsewhere.close());
  const watch = elsewhere.sipcast("watch", "news", "-o", "-");
  assert.equal(await watch.exit(), 1);
  assert.match(watch.err, /^sipcast: No demo runs on this machine\. Start one with npm start, or give --ds, /);
});

test("simulate faults: --seed is one run, the same each time; --help names every flag of a command, no other's", async () => {
  const runs = [1, 2].map(() => bench.sipcast("simulate", "faults", "--seed", "3"));
  const help = bench.sipcast("simulate", "faults", "--help");
  assert.deepEqual(await Promise.all([...runs, help].map((program) => program.exit())), [0, 0, 0]);
  assert.match(runs[0]?.out ?? "", /^seed 3, .*replay: bin\/sipcast simulate faults --seed 3\n(?:.*\n)* {2}no rule is broken\n/);
  assert.equal(runs[0]?.out, runs[1]?.out);
  assert.match(help.out, / --trace .* --help /s);
  assert.doesNotMatch(help.out, /--cops-ms/);
});

for (const scenario of Object.keys(SCENARIOS)) {
  test(`simulate ${scenario}: for a person and for a program, the same run each time`, async () => {
    const [told, printed] = [bench.sipcast("simulate", scenario), bench.sipcast("simulate", scenario, "--json", "--trace")];
    assert.deepEqual([await told.exit(), await printed.exit(), told.err, printed.err], [0, 0, "", ""]);
    const { traceHash, repeats, ladder, ...report } = JSON.parse(printed.out) as Record<string, unknown>;
    assert.equal(repeats, true);
    assert.ok(Array.isArray(ladder) && ladder.length > 10);
    assert.deepEqual([report["scenario"], report["seed"], report["copsHandlingMs"]], [scenario, 1, 0]);
    assert.match(told.out, new RegExp(`trace hash ${traceHash}, the same in a second run`));
  });
}

test("demo: Ctrl-C ends it within 5 s with goodbyes to those who watch and broadcast, and exit code 0", async () => {
  const broadcast = bench.sipcast("broadcast", "alice-tv", CLIP);
  await broadcast.says(/is on air/);
  const watches = ["news", "alice-tv"].map((channel) => bench.sipcast("watch", channel, "-o", fileIn(`${channel}.ts`)));
  await Promise.all(watches.map((watch) => watch.says(/^Watching/m)));
  assert.equal(await demo.program.stop("SIGINT", STOP_WITHIN_MS), 0);
  for (const watch of watches) {
    await watch.exit(STOP_WITHIN_MS);
    assert.match(watch.err, /The channel has ended\./);
  }
  assert.equal(await broadcast.exit(STOP_WITHIN_MS), 1);
  assert.equal(demo.program.out.split("\n").length, 2, "one line, and nothing after it");
});
