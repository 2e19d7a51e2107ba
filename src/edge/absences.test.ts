import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { SILENT } from "#base/log.ts";
import { type SimNetwork, simNetwork } from "#sim/index.ts";
import { Absences, type MemberTable, type MulticastViewer } from "./absences.ts";

const { memberLookMs, memberAbsentMs } = LIMITS;
const ALICE: MulticastViewer = { joinId: "alice", host: "10.0.0.7", group: "232.0.1.0" };
const BOB: MulticastViewer = { joinId: "bob", host: "10.0.0.8", group: "232.0.1.0" };

/** A switch with a port for each address that it knows, and members as "PORT GROUP". */
class Switch {
  readonly net: SimNetwork = simNetwork(1);
  readonly ports = new Map([
    [ALICE.host, "p1"],
    [BOB.host, "p2"],
  ]);
  members = new Set(["p1 232.0.1.0", "p2 232.0.1.0"]);
  /** Instead of a table. */
  fault: string | undefined;
  looks = 0;
  viewers: MulticastViewer[] = [ALICE, BOB];
  readonly gone: string[] = [];
  readonly lines: string[] = [];
  readonly absences: Absences;

  constructor() {
    const host = this.net.host("edge1", "10.0.0.1");
    const note = (event: string): void => void this.lines.push(event);
    this.absences = new Absences(
      host,
      { look: (seen) => void host.timer(host.nowMs() + 20, () => seen(this.#table())) },
      () => this.viewers,
      (joinId) => {
        this.gone.push(joinId);
        this.viewers = this.viewers.filter((viewer) => viewer.joinId !== joinId);
      },
      { ...SILENT, info: note, warn: note },
    );
    this.absences.begin();
  }
  #table(): MemberTable | string {
    this.looks++;
    if (this.fault !== undefined) return this.fault;
    const members = new Set(this.members);
    return { portOf: (host) => this.ports.get(host), hasMember: (port, group) => members.has(`${port} ${group}`) };
  }
  run(ms: number): void {
    this.net.run(ms);
  }
}
const MANY_MS = 20 * memberAbsentMs;
function switchTest(name: string, body: (access: Switch) => void): void {
  test(`Absences: ${name} (PROTOCOL §12)`, () => body(new Switch()));
}

switchTest("who left is gone after memberAbsentMs, once; who stays stays", (access) => {
  access.run(MANY_MS);
  assert.deepEqual(access.gone, []);
  access.members.delete("p1 232.0.1.0");
  access.run(memberAbsentMs - 100);
  assert.deepEqual(access.gone, []);
  access.run(2 * memberLookMs);
  assert.deepEqual(access.gone, ["alice"]);
  access.run(MANY_MS);
  assert.deepEqual(access.gone, ["alice"]);
});

switchTest("a report that got lost, or comes late, is no absence", (access) => {
  for (let n = 0; n < 10; n++) {
    access.members.delete("p1 232.0.1.0");
    access.run(memberAbsentMs - memberLookMs);
    access.members.add("p1 232.0.1.0");
    access.run(2 * memberLookMs);
  }
  assert.deepEqual(access.gone, []);
});

switchTest("another group, or another's port, is not his", (access) => {
  access.members = new Set(["p1 232.0.1.9", "p2 232.0.1.0"]);
  access.run(memberAbsentMs + 2 * memberLookMs);
  assert.deepEqual(access.gone, ["alice"]);
});

switchTest("of whom the port was never known nothing is concluded", (access) => {
  access.ports.delete(ALICE.host);
  access.members.clear();
  access.run(MANY_MS);
  assert.deepEqual(access.gone, ["bob"]);
});

switchTest("a port that was known counts when the switch forgets it, as with a link that went down", (access) => {
  access.run(2 * memberLookMs);
  access.ports.delete(ALICE.host);
  access.run(MANY_MS);
  assert.deepEqual(access.gone, []);
  access.members.delete("p1 232.0.1.0");
  access.run(memberAbsentMs + 2 * memberLookMs);
  assert.deepEqual(access.gone, ["alice"]);
});

switchTest("who moves to another port has time to join there", (access) => {
  access.members.delete("p1 232.0.1.0");
  access.run(memberAbsentMs - memberLookMs);
  access.ports.set(ALICE.host, "p3");
  access.run(memberAbsentMs - memberLookMs);
  access.members.add("p3 232.0.1.0");
  access.run(MANY_MS);
  assert.deepEqual(access.gone, []);
});

switchTest("what cannot be relied on ends nobody, and is told once", (access) => {
  access.members.clear();
  access.run(memberAbsentMs - memberLookMs);
  access.fault = "br0 does not snoop IGMP";
  access.run(MANY_MS);
  assert.deepEqual([access.gone, access.lines], [[], ["multicast members unknown"]]);
  access.fault = undefined;
  access.run(memberAbsentMs - memberLookMs);
  assert.deepEqual([access.gone, access.lines.length], [[], 2]);
  access.run(3 * memberLookMs);
  assert.deepEqual(access.gone, ["alice", "bob"]);
});

switchTest("nobody looks while there is nobody to look for, nor after the end", (access) => {
  access.viewers = [];
  access.run(MANY_MS);
  assert.equal(access.looks, 1);
  access.viewers = [ALICE];
  access.absences.begin();
  access.absences.begin();
  access.run(10 * memberLookMs);
  assert.equal(access.looks, 10);
  access.absences.stop();
  access.run(MANY_MS);
  assert.equal(access.looks, 10);
});
