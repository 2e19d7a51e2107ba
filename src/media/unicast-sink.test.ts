import assert from "node:assert/strict";
import { LIMITS } from "#base/limits.ts";
import type { Address, DatagramPort, Host } from "#host/host.ts";
import { type SimNetwork, simTest } from "#sim/index.ts";
import { type Clip, MediaDriver, RtpReceiver, RtpSender, readClip, testPattern } from "./index.ts";
import { rtcpOf } from "./unicast-sink.ts";
import { writeReceiverReport } from "./wire/rtcp.ts";

const EDGE = "127.0.1.1";
const BOB = "127.0.1.5";
const PHONE = "127.0.1.6";
const INGEST: Address = { host: EDGE, port: 6_000 };
const PAIR: Address = { host: EDGE, port: 8_000 };
const AT: Address = { host: PHONE, port: 7_000 };
const fail = (error: Error): never => assert.fail(error);

const CLIP = ((): Clip => {
  const read = readClip(testPattern({ frames: 50, framesPerSec: 5, gopFrames: 5, kbps: 20 }));
  assert.ok(read.status === "ok");
  return read.clip;
})();

/** An edge that carries a channel, and a phone that is to take it; `gone` says when nobody took it any more. */
class Bench {
  readonly net: SimNetwork;
  readonly media: MediaDriver;
  readonly phone: Host;
  readonly gone: number[] = [];
  constructor(net: SimNetwork) {
    this.net = net;
    const config = { address: EDGE, multicastInterface: EDGE, ws: { host: EDGE, port: 8_090 }, origins: [] };
    const user = { onSinkGone: () => void this.gone.push(net.nowMs()), onSourceSilent: () => undefined };
    this.media = new MediaDriver(net.host("edge1", EDGE), config, user, (_, error) => fail(error));
    this.phone = net.host("phone", PHONE);
    this.media.open("tv", { kind: "ingest", at: INGEST, senderHost: BOB }, { host: "232.0.1.1", port: 5_004 });
    net.run(10);
    new RtpSender(net.host("bob", BOB), { host: BOB, port: 0 }, INGEST, CLIP, fail);
  }
  begin(): void {
    this.add();
    this.media.beginUnicast("tv", "phone");
  }
  add(): void {
    this.media.addUnicast("tv", "phone", PAIR, AT);
  }
  /** A socket of the phone's; how many packets came. */
  socket(port = AT.port): { count: number; readonly port: DatagramPort } {
    const got = {
      count: 0,
      port: this.phone.datagram({ host: PHONE, port }, { datagram: () => void got.count++, failed: fail }),
    };
    return got;
  }
  report(from: DatagramPort): void {
    from.send(writeReceiverReport(7, "phone", undefined), rtcpOf(PAIR));
  }
  get strays(): number {
    return this.media.streams()[0]?.strays ?? -1;
  }
}
const unicastTest = (name: string, body: (bench: Bench, net: SimNetwork) => void): void =>
  simTest(name, (net) => body(new Bench(net), net));

unicastTest("nothing is sent before the viewer may have it, then to where he said, from his own even port", (bench, net) => {
  const got = bench.socket();
  bench.add();
  net.run(60_000);
  assert.deepEqual([got.count, bench.gone], [0, []]);
  bench.media.beginUnicast("tv", "phone");
  net.run(5_000);
  assert.ok(got.count > 10);
});

unicastTest(
  "a viewer's NAT shows its port by his first packet; from another host it is none of his (PROTOCOL §13)",
  (bench, net) => {
    const [said, nat] = [bench.socket(), bench.socket(31_000)];
    const stranger = net
      .host("stranger", "127.0.1.7")
      .datagram({ host: "127.0.1.7", port: 0 }, { datagram: fail as never, failed: fail });
    bench.begin();
    stranger.send(new Uint8Array(0), PAIR);
    net.run(2_000);
    assert.equal(bench.strays, 1);
    nat.port.send(new Uint8Array(0), PAIR);
    net.run(100);
    const [before, natBefore] = [said.count, nat.count];
    net.run(60_000);
    assert.equal(said.count, before);
    assert.ok(nat.count > natBefore + 100);
    assert.deepEqual(bench.gone, []);
  },
);

unicastTest("who closes his port is gone at once: a second of ICMP port unreachable (RFC 1122 §4.1.3.3)", (bench, net) => {
  const got = bench.socket();
  bench.begin();
  net.run(20_000);
  got.port.close();
  const closedMs = net.nowMs();
  net.run(10_000);
  assert.equal(bench.gone.length, 1);
  const afterMs = (bench.gone[0] ?? 0) - closedMs;
  assert.ok(afterMs >= LIMITS.unicastRefusedMs && afterMs < LIMITS.unicastRefusedMs + 500, `${afterMs} ms`);
});

unicastTest("who never opens his port is gone a second after he could have shown another (PROTOCOL §13)", (bench, net) => {
  bench.begin();
  net.run(LIMITS.unicastLatchMs + LIMITS.unicastRefusedMs - 100);
  assert.deepEqual(bench.gone, []);
  net.run(1_000);
  assert.equal(bench.gone.length, 1);
});

unicastTest("who closes his port for half a second stays, as does who is not told of by ICMP and sends no RTCP", (bench, net) => {
  const got = bench.socket();
  bench.begin();
  net.run(20_000);
  got.port.close();
  net.run(500);
  const again = bench.socket();
  net.run(60_000);
  assert.ok(again.count > 100);
  net.kill("phone", "machine");
  net.run(600_000);
  assert.deepEqual(bench.gone, []);
});

unicastTest("a process that ends is told by its machine, also where every other ICMP message gets lost", (bench, net) => {
  bench.socket();
  bench.begin();
  net.run(20_000);
  net.setFaults("edge1", "phone", { loss: 0.3 });
  net.kill("phone", "process");
  net.run(10_000);
  assert.equal(bench.gone.length, 1);
});

unicastTest(
  "whose reports stop with his machine is gone after rtcpSilentMs, whose go on stays without a picture",
  (bench, net) => {
    const reports = bench.socket(AT.port + 1).port;
    const got = bench.socket();
    bench.begin();
    net.run(20_000);
    net.cutOneWay("edge1", "phone");
    const paused = got.count;
    for (let n = 0; n < 20; n++) {
      if (n % 4 !== 3) bench.report(reports); // one in four gets lost
      net.run(LIMITS.rtcpEveryMs);
    }
    assert.deepEqual([got.count, bench.gone], [paused, []]);
    bench.report(reports);
    const lastMs = net.nowMs();
    net.kill("phone", "machine");
    net.run(LIMITS.rtcpSilentMs - 100);
    assert.deepEqual(bench.gone, []);
    net.run(200);
    assert.equal(bench.gone.length, 1);
    assert.ok((bench.gone[0] ?? 0) >= lastMs + LIMITS.rtcpSilentMs);
  },
);

unicastTest("what is no report does not count as one, nor does a stranger's: both are strays", (bench, net) => {
  const reports = bench.socket(AT.port + 1).port;
  const stranger = net
    .host("stranger", "127.0.1.7")
    .datagram({ host: "127.0.1.7", port: 0 }, { datagram: fail as never, failed: fail });
  bench.socket();
  bench.begin();
  bench.report(stranger);
  reports.send(new Uint8Array(20), rtcpOf(PAIR));
  net.run(600_000);
  assert.deepEqual([bench.strays, bench.gone], [2, []]);
});

unicastTest("our own receiver reports every five seconds or so what it got (RFC 3550 §6.2, §6.4.2)", (bench, net) => {
  bench.begin();
  net.setFaults("edge1", "phone", { loss: 0.25 });
  const receiver = new RtpReceiver(bench.phone, { kind: "unicast", at: AT, from: PAIR }, PHONE, () => undefined, fail);
  net.run(600_000);
  assert.deepEqual([bench.gone, bench.strays], [[], 0]);
  assert.ok(receiver.stats.packets > 1_000);
  net.kill("phone", "machine");
  net.run(LIMITS.rtcpSilentMs + 100);
  assert.equal(bench.gone.length, 1);
});

unicastTest("ports that somebody else has are the end, and removing a viewer gives his back", (bench, net) => {
  bench.begin();
  net.run(10);
  assert.throws(() => bench.begin());
  bench.media.addUnicast("tv", "other", PAIR, AT);
  net.run(10);
  assert.equal(bench.gone.length, 1);
  assert.equal(bench.media.streams()[0]?.unicastSinks, 1);
  bench.media.removeSink("tv", "phone");
  bench.media.beginUnicast("tv", "phone");
  bench.begin();
  net.run(10);
  bench.media.close("tv");
  net.run(600_000);
  assert.equal(bench.gone.length, 1);
});
