import assert from "node:assert/strict";
import { LIMITS } from "#base/limits.ts";
import type { DatagramPort, Host } from "#host/host.ts";
import { simTest } from "#sim/index.ts";
import { RtpPorts } from "./rtp-ports.ts";

const HERE = "10.0.0.1";
const bind = (host: Host, port: number, failed: (error: Error) => void = assert.fail): DatagramPort =>
  host.datagram({ host: HERE, port }, { datagram: () => undefined, failed });
/** Its first draws of ports: all the same, then as they come. */
function drawing(host: Host, port: number, times: number): Host {
  let left = times;
  const random = (octets: number): Uint8Array => {
    if (left-- <= 0) return host.random(octets);
    const offset = port - 49_152;
    return new Uint8Array([offset >> 8, offset & 0xff]);
  };
  return new Proxy(host, {
    get(target, name) {
      const found: unknown = name === "random" ? random : Reflect.get(target, name, target);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
}

for (const [which, taken] of [
  ["even", 50_000],
  ["odd", 50_001],
] as const) {
  simTest(`a pair whose ${which} port is taken is left, and another one held`, (net) => {
    const host = net.host("alice", HERE);
    bind(host, taken);
    net.run(1);
    const ports = new RtpPorts(drawing(host, 50_000, 1), HERE, assert.fail);
    net.run(1);
    assert.notEqual(ports.at.port, 50_000);
    assert.equal(ports.at.port % 2, 0);
    assert.equal(net.inUse("alice").sockets, 3);
    ports.release();
    assert.equal(net.inUse("alice").sockets, 1);
  });
}

simTest("who finds no pair is told so once", (net) => {
  const host = net.host("alice", HERE);
  bind(host, 50_001);
  net.run(1);
  const faults: Error[] = [];
  new RtpPorts(drawing(host, 50_000, LIMITS.rtpPortTries), HERE, (error) => faults.push(error));
  net.run(10);
  assert.equal(faults.length, 1);
  new RtpPorts(drawing(host, 50_000, LIMITS.rtpPortTries - 1), HERE, assert.fail);
  net.run(10);
});
