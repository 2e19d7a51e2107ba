import assert from "node:assert/strict";
import { concat } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { SILENT } from "#base/log.ts";
import type { Address, Host } from "#host/host.ts";
import { type SimNetwork, simTest } from "#sim/index.ts";
import { PATTERN_PID } from "./engine/test-pattern.ts";
import {
  type Clip,
  MediaDriver,
  RtpReceiver,
  RtpSender,
  readClip,
  type StreamSource,
  testPattern,
  type ViewerSource,
} from "./index.ts";
import { writeRtp } from "./wire/rtp.ts";
import { PID, parseTsPacket, TS_PACKET_BYTES } from "./wire/ts.ts";

const PAGE = "http://localhost:8080";
const WS: Address = { host: "127.0.1.1", port: 8_090 };
const INGEST: Address = { host: "127.0.1.1", port: 6_000 };
const GROUP: Address = { host: "232.0.1.1", port: 5_004 };
const LOCAL_GROUP: Address = { host: "232.0.1.2", port: 5_004 };
const BOB = "127.0.1.5";
const FROM_BOB: StreamSource = { kind: "ingest", at: INGEST, senderHost: BOB };
const fail = (error: Error): never => assert.fail(error);

/** A round of 20 s: longer than any test here plays. */
const CLIP = ((): Clip => {
  const read = readClip(testPattern({ frames: 500, framesPerSec: 25, gopFrames: 25, kbps: 400 }));
  assert.ok(read.status === "ok");
  return read.clip;
})();

function edgeOf(
  net: SimNetwork,
  name: string,
  address: string,
): { host: Host; media: MediaDriver; gone: string[]; silent: string[]; lines: string[] } {
  const host = net.host(name, address);
  const lines: string[] = [];
  const log = { ...SILENT, info: (event: string, fields?: object) => void lines.push(`${event} ${JSON.stringify(fields)}`) };
  const gone: string[] = [];
  const silent: string[] = [];
  const config = { address, multicastInterface: address, ws: { host: address, port: WS.port }, origins: [PAGE], log };
  const media = new MediaDriver(
    host,
    config,
    {
      onSinkGone: (stream, sink) => gone.push(`${stream} ${sink} ${net.nowMs()}`),
      onSourceSilent: (stream) => silent.push(stream),
    },
    (_, error) => fail(error),
  );
  return { host, media, gone, silent, lines };
}
const send = (host: Host, address: string): RtpSender => new RtpSender(host, { host: address, port: 0 }, INGEST, CLIP, fail);

simTest("a line tells that a stream was opened, and one that it was closed", (net) => {
  const { media, lines } = edgeOf(net, "edge1", WS.host);
  media.open("tv1", FROM_BOB, LOCAL_GROUP);
  media.close("tv1");
  media.close("tv1");
  assert.deepEqual(lines, [
    'stream opened {"stream":"tv1","from":"ingest","group":"232.0.1.2:5004"}',
    'stream closed {"stream":"tv1","packets":0,"lost":0,"sent":0}',
  ]);
});

interface Watching {
  readonly receiver: RtpReceiver;
  readonly packets: Uint8Array[];
}
function receive(host: Host, address: string, source: ViewerSource): Watching {
  const packets: Uint8Array[] = [];
  return { receiver: new RtpReceiver(host, source, address, (octets) => packets.push(octets), fail), packets };
}
/** A page's WebSocket; what it got, and how it ended. */
function page(host: Host, token: string, origin?: string) {
  const got = {
    opened: false,
    messages: [] as Uint8Array[],
    closed: undefined as string | undefined,
    close: (): void => undefined,
    say: (_octets: Uint8Array): void => undefined,
  };
  host.connectMessages(
    `ws://${WS.host}:${WS.port}/media/${token}`,
    { protocols: [], ...(origin !== undefined && { headers: { origin } }) },
    {
      opened(port) {
        got.opened = true;
        got.close = () => port.close();
        got.say = (octets) => port.send(octets);
      },
      message: (data) => got.messages.push(typeof data === "string" ? fail(new Error("text")) : data.slice()),
      closed: (error) => {
        got.closed = error?.message ?? "normal";
      },
    },
  );
  return got;
}
const pidAt = (bytes: Uint8Array, packet: number): number => {
  const read = parseTsPacket(bytes, packet * TS_PACKET_BYTES);
  return read.status === "ok" ? read.value.pid : -1;
};
const startsKeyFrame = (bytes: Uint8Array, packet: number): boolean => {
  const read = parseTsPacket(bytes, packet * TS_PACKET_BYTES);
  return read.status === "ok" && read.value.randomAccess;
};

simTest("ingest, core group, local group and unicast carry the clip octet by octet over reordering and duplicates", (net) => {
  const [one, two] = [edgeOf(net, "edge1", "127.0.1.1"), edgeOf(net, "edge2", "127.0.2.1")];
  const [bob, alice, phone] = [net.host("bob", BOB), net.host("alice", "127.0.2.5"), net.host("phone", "127.0.2.6")];
  const faults = { duplicate: 0.2, jitterMs: 20 };
  net.setFaults("bob", "edge1", faults);
  net.setFaults("edge2", "alice", faults);
  one.media.open("bob-tv", FROM_BOB, GROUP);
  two.media.open("bob-tv", { kind: "group", group: GROUP, source: "127.0.1.1" }, LOCAL_GROUP);
  const watching = receive(alice, "127.0.2.5", { kind: "group", group: LOCAL_GROUP, source: "127.0.2.1" });
  const unicastAt = { host: "127.0.2.6", port: 7_000 };
  const pair = { host: "127.0.2.1", port: 8_000 };
  const listening = receive(phone, "127.0.2.6", { kind: "unicast", at: unicastAt, from: pair });
  two.media.addUnicast("bob-tv", "phone", pair, unicastAt);
  two.media.beginUnicast("bob-tv", "phone");
  net.run(10);
  const sender = send(bob, BOB);
  net.run(5_000);
  sender.stop();
  net.run(1_000);
  for (const { packets, receiver } of [watching, listening]) {
    const octets = concat(packets);
    assert.equal(receiver.stats.packets - receiver.stats.duplicates, sender.sent);
    assert.deepEqual(octets, CLIP.packets.subarray(0, octets.length));
    assert.ok(receiver.stats.kbps > 350);
    assert.equal(receiver.stats.lost, 0);
  }
  assert.ok(watching.receiver.stats.jitterMs > 1 && listening.receiver.stats.jitterMs < watching.receiver.stats.jitterMs);
  const [report] = one.media.streams();
  assert.ok(report && report.stream === "bob-tv" && report.duplicates > 0);
  assert.deepEqual([report.sent, report.lost, report.foreign, report.malformed], [sender.sent, 0, 0, 0]);
});

simTest("what is lost on the way is counted, and the rest stays in order", (net) => {
  const { media } = edgeOf(net, "edge1", "127.0.1.1");
  const [bob, alice] = [net.host("bob", BOB), net.host("alice", "127.0.1.6")];
  net.setFaults("bob", "edge1", { loss: 0.1, jitterMs: 20 });
  media.open("bob-tv", FROM_BOB, GROUP);
  const { receiver, packets } = receive(alice, "127.0.1.6", { kind: "group", group: GROUP, source: "127.0.1.1" });
  net.run(10);
  const sender = send(bob, BOB);
  net.run(5_000);
  sender.stop();
  net.run(1_000);
  const [report] = media.streams();
  assert.ok(report && report.lost > 5);
  const unseen = sender.sent - report.sent - report.lost;
  assert.ok(unseen >= 0 && unseen < 5, "all are accounted for but those lost at either end");
  assert.deepEqual([receiver.stats.packets, receiver.stats.lost], [report.sent, 0], "the edge numbers anew");
  const clip = Buffer.from(CLIP.packets);
  let from = 0;
  for (const octets of packets) {
    const at = clip.indexOf(octets, from);
    assert.ok(at >= 0, "every packet is a later one of the clip");
    from = at + octets.length;
  }
});

simTest("an ingest hears its sender's host and first SSRC alone (PROTOCOL §13)", (net) => {
  const { media } = edgeOf(net, "edge1", "127.0.1.1");
  const [bob, mallory] = [net.host("bob", BOB), net.host("mallory", "127.0.1.9")];
  media.open("bob-tv", FROM_BOB, GROUP);
  send(mallory, "127.0.1.9");
  net.run(500);
  assert.equal(media.streams()[0]?.packets, 0);
  const sender = send(bob, BOB);
  net.run(500);
  const stranger = bob.datagram({ host: BOB, port: 0 }, { datagram: () => undefined, failed: fail });
  const payload = CLIP.packets.subarray(0, TS_PACKET_BYTES);
  const header = { marker: false, payloadType: 33, sequence: 1, timestamp: 0, ssrc: 1, csrcs: [], paddingBytes: 0 };
  const foreignBefore = media.streams()[0]?.foreign ?? 0;
  stranger.send(writeRtp({ ...header, payload }), INGEST);
  net.run(5);
  sender.stop();
  net.run(100);
  const [report] = media.streams();
  assert.equal(report?.sent, sender.sent);
  assert.ok(foreignBefore > 0 && (report?.foreign ?? 0) > foreignBefore);
});

simTest("a WebSocket gets PAT, PMT, the cached key frame, then every packet once (PROTOCOL §3)", (net) => {
  const { media, gone } = edgeOf(net, "edge1", "127.0.1.1");
  const [bob, alice] = [net.host("bob", BOB), net.host("alice", "127.0.1.6")];
  media.open("bob-tv", FROM_BOB, GROUP);
  send(bob, BOB);
  net.run(3_500);
  media.addWebSocket("bob-tv", "alice", "token-1");
  const got = page(alice, "token-1", PAGE);
  net.run(2_000);
  const octets = concat(got.messages);
  assert.deepEqual([pidAt(octets, 0), pidAt(octets, 1), pidAt(octets, 2)], [PID.pat, PATTERN_PID.pmt, PATTERN_PID.video]);
  assert.ok(startsKeyFrame(octets, 2));
  const [opening] = got.messages;
  assert.ok(opening && opening.length > 10_000, "half a second of picture at once");
  const live = octets.subarray(2 * TS_PACKET_BYTES);
  const at = Buffer.from(CLIP.packets).indexOf(live);
  assert.ok(at > 0 && live.length > 100_000, "one run of the clip");
  assert.ok(got.messages.every(({ length }) => length % TS_PACKET_BYTES === 0));
  assert.deepEqual(gone, []);
});

simTest("a WebSocket that stands still is skipped, and goes on with a key frame", (net) => {
  const { media } = edgeOf(net, "edge1", "127.0.1.1");
  const [bob, alice] = [net.host("bob", BOB), net.host("alice", "127.0.1.6")];
  media.open("bob-tv", FROM_BOB, GROUP);
  send(bob, BOB);
  net.run(1_500);
  media.addWebSocket("bob-tv", "alice", "token-1");
  const got = page(alice, "token-1");
  net.run(200);
  net.cut("edge1", "alice");
  net.run(10_000);
  const [behind] = media.streams();
  assert.ok(behind && behind.skips === 1 && behind.skippedBytes > 0, "400 kbit/s fill slowSinkBytes in 6 s");
  const before = got.messages.length;
  net.heal("edge1", "alice");
  net.run(3_000);
  assert.equal(got.closed, undefined, "it was never closed for being slow");
  assert.equal(media.streams()[0]?.skips, 1);
  const octets = concat(got.messages.slice(before));
  const clip = Buffer.from(CLIP.packets);
  const last = octets.subarray(-30 * TS_PACKET_BYTES);
  assert.ok(clip.indexOf(last) > 0, "it runs on live");
  assert.equal(clip.indexOf(octets), -1, "after a jump");
});

const REFUSALS: { name: string; token: string; origin?: string; status: number }[] = [
  { name: "a foreign page", token: "token-1", origin: "http://evil.example", status: 403 },
  { name: "an unknown token", token: "token-2", origin: PAGE, status: 404 },
  { name: "a token with more behind it", token: "token-1/x", status: 404 },
];
for (const { name, token, origin, status } of REFUSALS) {
  simTest(`a WebSocket with ${name} is refused with ${status}, the token stays good`, (net) => {
    const { media } = edgeOf(net, "edge1", "127.0.1.1");
    const alice = net.host("alice", "127.0.1.6");
    media.open("bob-tv", FROM_BOB, GROUP);
    media.addWebSocket("bob-tv", "alice", "token-1");
    net.run(1);
    const refused = page(alice, token, origin);
    net.run(100);
    assert.equal(refused.opened, false);
    assert.match(refused.closed ?? "", new RegExp(String(status)));
    const taken = page(alice, "token-1", PAGE);
    net.run(100);
    assert.equal(taken.opened, true);
  });
}

simTest("a token is good once and for mediaTokenMs; unused, its sink is gone (PROTOCOL §3, §12)", (net) => {
  const { media, gone } = edgeOf(net, "edge1", "127.0.1.1");
  const alice = net.host("alice", "127.0.1.6");
  media.open("bob-tv", FROM_BOB, GROUP);
  media.addWebSocket("bob-tv", "alice", "token-1");
  media.addWebSocket("bob-tv", "carol", "token-2");
  const first = page(alice, "token-1");
  net.run(100);
  const second = page(alice, "token-1");
  net.run(LIMITS.mediaTokenMs - 200);
  assert.deepEqual([first.opened, second.opened, gone], [true, false, []]);
  net.run(200);
  assert.deepEqual(gone, [`bob-tv carol ${LIMITS.mediaTokenMs}`]);
  const late = page(alice, "token-2");
  net.run(100);
  assert.equal(late.opened, false);
});

simTest("a closed WebSocket is gone after mediaGoneMs, unless its sink was added again or removed (PROTOCOL §12)", (net) => {
  const { media, gone } = edgeOf(net, "edge1", "127.0.1.1");
  const alice = net.host("alice", "127.0.1.6");
  media.open("bob-tv", FROM_BOB, GROUP);
  const pages = ["alice", "carol", "dave"].map((sink) => {
    media.addWebSocket("bob-tv", sink, `${sink}-1`);
    return page(alice, `${sink}-1`);
  });
  net.run(20_000);
  assert.equal(media.streams()[0]?.messageSinks, 3);
  assert.equal(gone.length, 0);
  for (const { close } of pages) close();
  net.run(9_000);
  media.addWebSocket("bob-tv", "carol", "carol-2");
  media.removeSink("bob-tv", "dave");
  const again = page(alice, "carol-2");
  net.run(20_000);
  assert.deepEqual(
    gone.map((line) => line.slice(0, 12)),
    ["bob-tv alice"],
  );
  assert.equal(again.opened && again.closed === undefined, true);
});

simTest("a viewer may say mediaMessageBytes, which nobody reads, and not one octet more", (net) => {
  const { media } = edgeOf(net, "edge1", "127.0.1.1");
  const alice = net.host("alice", "127.0.1.6");
  media.open("bob-tv", FROM_BOB, GROUP);
  media.addWebSocket("bob-tv", "alice", "token-1");
  const got = page(alice, "token-1");
  net.run(100);
  got.say(new Uint8Array(LIMITS.mediaMessageBytes));
  net.run(100);
  assert.equal(got.closed, undefined);
  got.say(new Uint8Array(LIMITS.mediaMessageBytes + 1));
  net.run(100);
  assert.notEqual(got.closed, undefined);
});

simTest("closing a stream closes its WebSockets and tells nobody; it may be opened again", (net) => {
  const { media, gone } = edgeOf(net, "edge1", "127.0.1.1");
  const [bob, alice] = [net.host("bob", BOB), net.host("alice", "127.0.1.6")];
  media.open("bob-tv", FROM_BOB, GROUP);
  assert.throws(() => media.open("bob-tv", FROM_BOB, GROUP));
  media.addWebSocket("bob-tv", "alice", "token-1");
  media.addWebSocket("bob-tv", "carol", "token-2");
  const got = page(alice, "token-1");
  net.run(100);
  media.close("bob-tv");
  media.removeSink("bob-tv", "alice");
  net.run(20_000);
  assert.deepEqual([got.closed, gone, media.streams()], ["normal", [], []]);
  media.open("bob-tv", FROM_BOB, GROUP);
  net.run(1);
  send(bob, BOB);
  net.run(1_000);
  assert.ok((media.streams()[0]?.packets ?? 0) > 0);
  media.stop();
  assert.deepEqual(media.streams(), []);
});

simTest(
  "an ingest that nobody sends to, or no longer, is told after ingestAwaitedMs or ingestSilentMs, once; strangers do not feed it",
  (net) => {
    const { media, silent } = edgeOf(net, "edge1", "127.0.1.1");
    const bob = net.host("bob", BOB);
    const stranger = net.host("stranger", "127.0.1.6");
    media.open("never", { kind: "ingest", at: { ...INGEST, port: 6_002 }, senderHost: BOB }, LOCAL_GROUP);
    media.open("bob-tv", FROM_BOB, GROUP);
    media.open("copy", { kind: "group", group: { ...GROUP, host: "232.0.1.9" }, source: BOB }, { ...GROUP, host: "232.0.1.8" });
    media.open("closed", { kind: "ingest", at: { ...INGEST, port: 6_004 }, senderHost: BOB }, { ...GROUP, host: "232.0.1.7" });
    net.run(10);
    const sender = send(bob, BOB);
    net.run(5_000);
    media.close("closed");
    const other = send(stranger, "127.0.1.6");
    net.run(2_000);
    sender.stop();
    net.run(LIMITS.ingestSilentMs - 100);
    assert.deepEqual(silent, []);
    net.run(200);
    assert.deepEqual(silent, ["bob-tv"]);
    net.run(LIMITS.ingestAwaitedMs - LIMITS.ingestSilentMs - 7_110 - 1);
    assert.equal(silent.length, 1);
    net.run(20);
    other.stop();
    net.run(60_000);
    assert.deepEqual(silent, ["bob-tv", "never"]);
  },
);
