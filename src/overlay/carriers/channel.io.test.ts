import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LIMITS } from "#base/limits.ts";
import { nodeHost } from "#host/node/index.ts";
import { ChannelCarrier, ChannelHub } from "./channel.ts";
import { testCarrier, until } from "./conformance.ts";
import { InProcessCarrier } from "./in-process.ts";
import { ipcChannel } from "./ipc.ts";

const FRAME = new Uint8Array(1);
const host = nodeHost();
const children: ChildProcess[] = [];
const newChild = (): ChildProcess => {
  const child = fork(path.join(import.meta.dirname, "test-child.ts"), { serialization: "advanced" });
  children.push(child);
  return child;
};
after(() => {
  for (const child of children) child.kill("SIGKILL");
});

let lanes = 0;
/** A carrier whose members live in the child, and reach those of the hub by its channel. */
function carrierIn(child: ChildProcess, hub: ChannelHub): ChannelCarrier {
  const lane = ++lanes;
  child.send({ lane });
  hub.attach(ipcChannel(child, `overlay ${lane}`));
  return new ChannelCarrier(ipcChannel(child, `driver ${lane}`));
}

const [first, second] = [newChild(), newChild()];
for (const child of [first, second]) child.setMaxListeners(0); // a lane for each case

test("a process and its children", { concurrency: true }, (t) =>
  testCarrier(t, host, async (body) => {
    const own = new InProcessCarrier();
    const hub = new ChannelHub(own, host);
    await body([own, carrierIn(first, hub), carrierIn(second, hub)]);
    assert.deepEqual(hub.counters, { dropped: 0, badMessages: 0 });
  }),
);

test("members of a child that is killed are silent, and another may take their place", async () => {
  const child = newChild();
  const own = new InProcessCarrier();
  const heard: string[] = [];
  const inChild = carrierIn(child, new ChannelHub(own, host)).join("ds2", host, () => heard.push("in the child"));
  const parent = own.join("ds1", host, () => heard.push("in the parent"));
  await until(() => {
    inChild.send("ds1", FRAME);
    parent.send("ds2", FRAME);
    return heard.includes("in the parent") && heard.includes("in the child");
  });
  child.kill("SIGKILL");
  parent.send("ds2", new Uint8Array(LIMITS.overlayFrameBytes));
  await once(child, "exit");
  inChild.send("ds1", FRAME);
  await sleep(10);
  heard.length = 0;
  own.join("ds2", host, () => heard.push("elsewhere"));
  parent.send("ds2", FRAME);
  await until(() => heard.length > 0);
  assert.deepEqual(heard, ["elsewhere"]);
});

test("frames for a child that does not read are lost above channelQueuedBytes, and counted; then it hears again", async () => {
  const child = newChild();
  const own = new InProcessCarrier();
  const hub = new ChannelHub(own, host);
  let [heardByParent, heardByChild] = [0, 0];
  const inChild = carrierIn(child, hub).join("ds2", host, () => heardByChild++);
  const parent = own.join("ds1", host, () => heardByParent++);
  await until(() => {
    inChild.send("ds1", FRAME);
    return heardByParent > 0;
  });
  child.kill("SIGSTOP");
  const frames = 40;
  for (let count = 0; count < frames; count++) parent.send("ds2", new Uint8Array(LIMITS.channelQueuedBytes / 20));
  await until(() => hub.counters.dropped >= frames / 2);
  child.kill("SIGCONT");
  await until(() => heardByChild === frames - hub.counters.dropped);
  parent.send("ds2", FRAME);
  await until(() => heardByChild === frames - hub.counters.dropped + 1);
});
