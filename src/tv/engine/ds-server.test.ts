import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import type { Flow } from "#sip/engine/ports.ts";
import { request } from "#sip/wire/builders.ts";
import { sipUri } from "#sip/wire/uri.ts";
import { DsServer, type DsServerPorts } from "./ds-server.ts";

const BYE = request("BYE", sipUri({ host: "10.0.0.1" }), [["To", "<sip:bob-tv@tv.example>;tag=b"]]);
const FLOW = {} as Flow;

test("what may be within a dialog waits until it is known which there are; above dsEarlyRequests it gets 503", () => {
  const handled: string[] = [];
  const refused: (readonly [id: string, status: number])[] = [];
  const server = new DsServer({
    proxy: { arrived: (received: typeof BYE) => ({ request: received }), passOf: () => undefined },
    calls: { knows: () => false, onRequest: (_request: unknown, id: string) => handled.push(id) },
    transactions: { refuse: (id: string, { status }: { status: number }) => refused.push([id, status]) },
    isHere: () => true,
  } as unknown as DsServerPorts);
  for (let at = 1; at <= LIMITS.dsEarlyRequests + 1; at++) server.onRequest(BYE, `s${at}`, FLOW);
  assert.deepEqual([handled, refused], [[], [[`s${LIMITS.dsEarlyRequests + 1}`, 503]]]);
  server.resumed();
  server.onRequest(BYE, "after", FLOW);
  assert.deepEqual([handled.length, handled[0], handled.at(-1)], [LIMITS.dsEarlyRequests + 1, "s1", "after"]);
});

test("outside of dialogs only an INVITE may be one that a call began with: whatever else has its Call-ID is answered", () => {
  const handled: string[] = [];
  const refused: (readonly [id: string, status: number])[] = [];
  const server = new DsServer({
    proxy: { arrived: (received: typeof BYE) => ({ request: received }), passOf: () => undefined },
    calls: { knows: () => true, onRequest: (_request: unknown, id: string) => handled.push(id) },
    transactions: { refuse: (id: string, { status }: { status: number }) => refused.push([id, status]) },
    isHere: () => true,
    isReady: () => false,
  } as unknown as DsServerPorts);
  server.resumed();
  for (const method of ["INVITE", "MESSAGE", "REGISTER"])
    server.onRequest(request(method, sipUri({ host: "10.0.0.1" }), [["To", "<sip:bob-tv@tv.example>"]]), method, FLOW);
  assert.deepEqual(handled, ["INVITE"]);
  assert.deepEqual(refused, [
    ["MESSAGE", 503],
    ["REGISTER", 503],
  ]);
});
