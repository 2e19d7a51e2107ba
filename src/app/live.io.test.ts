import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";
import { toolOrSkip } from "#host/node/test-tools.ts";
import type { DemoReady } from "./demo-state.ts";
import { Bench } from "./test-program.ts";

const bench = new Bench();
let ready: DemoReady;

before(async () => {
  ({ ready } = await bench.demo("--core-kbps", "900"));
});
after(() => bench.close());

const basic = (user: string, secret: string): string => `Basic ${Buffer.from(`${user}:${secret}`).toString("base64")}`;
const ALICE = basic("alice", "alice-device");
interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** The first octets, or all where there are fewer. */
  readonly body: Buffer;
  close(): void;
}

/** Fetches until that many octets have come, or the end; the connection stays open until `close`. */
function get(file: string, authorization: string | undefined, octets: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = authorization === undefined ? {} : { authorization };
    const request = http.get(`${ready.web}/live/${file}`, { headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      const done = (): void =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(parts),
          close: () => request.destroy(),
        });
      response.on("data", (part: Buffer) => {
        parts.push(part);
        if (parts.reduce((sum, { length }) => sum + length, 0) >= octets) done();
      });
      response.on("end", done);
      response.on("error", () => undefined); // it was we who closed
    });
    request.on("error", reject);
  });
}

const REFUSALS: { name: string; file: string; authorization?: string; status: number; says: RegExp }[] = [
  { name: "nobody in particular", file: "news.ts", status: 401, says: /device secret/ },
  { name: "a wrong device secret", file: "news.ts", authorization: basic("alice", "wrong"), status: 401, says: /not accepted/ },
  { name: "no such channel", file: "nosuch.ts", authorization: ALICE, status: 404, says: /no such channel/ },
  { name: "a channel off air", file: "bob-tv.ts", authorization: ALICE, status: 404, says: /off air/ },
  { name: "a rate that is none", file: "news.ts?rate=fast", authorization: ALICE, status: 400, says: /rate as a whole number/ },
  {
    name: "a rate too low for it",
    file: "news.ts?rate=64",
    authorization: ALICE,
    status: 503,
    says: /no picture at so low a rate/,
  },
  { name: "another file", file: "news.mp4", authorization: ALICE, status: 404, says: /CHANNEL\.ts/ },
];
for (const { name, file, authorization, status, says } of REFUSALS)
  test(`/live: ${name} is answered ${status} in words`, async () => {
    const answer = await get(file, authorization, Number.POSITIVE_INFINITY);
    assert.equal(answer.status, status);
    assert.match(answer.body.toString("utf8"), says);
    assert.equal(answer.headers["www-authenticate"] !== undefined, status === 401);
  });

test("/live plays a channel from its tables on, and gives its bandwidth back when the player closes (PROTOCOL §3)", async () => {
  // The core carries one of the two channels: sport crosses it to alice's site, news comes from there.
  for (let round = 0; round < 3; round++) {
    const answer = await get("sport.ts", ALICE, 20_000);
    assert.deepEqual([answer.status, answer.headers["content-type"]], [200, "video/mp2t"]);
    assert.equal(answer.body[0], 0x47);
    answer.close();
  }
});

function urlOf(file: string): string {
  const url = new URL(`${ready.web}/live/${file}`);
  [url.username, url.password] = ["alice", "alice-device"];
  return url.href;
}

test("ffmpeg plays /live with a device secret", async (t) => {
  if (!toolOrSkip(t, "ffprobe")) return;
  const shown = ["-show_entries", "stream=codec_name", "-of", "csv=p=0"];
  const args = ["-v", "warning", "-analyzeduration", "1000000", ...shown, urlOf("news.ts")];
  const probe = bench.run("ffprobe", ...args);
  await probe.exit();
  assert.equal(probe.err, "");
  assert.deepEqual(new Set(probe.out.trim().split(/\s+/)), new Set(["h264", "aac"]));
});

test("VLC plays /live with a device secret: picture and sound are decoded", async (t) => {
  if (!toolOrSkip(t, "vlc")) return;
  const nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]; // VLC refuses to run as root
  const own = process.getuid?.() === 0 ? nobody : [];
  const [program = "", ...args] = [...own, "vlc", "-vv", "-I", "dummy", "--vout", "dummy", "--aout", "dummy", urlOf("news.ts")];
  const vlc = bench.run(program, ...args);
  await vlc.says(/decoder debug: Received first picture/);
  await vlc.says(/audio output debug: output '\w+' 48000 Hz Stereo/);
  await vlc.says(/input debug: Decoder wait done/);
  await vlc.stop("SIGTERM");
});
