import assert from "node:assert/strict";
import { simTest } from "#sim/index.ts";
import { request } from "../wire/builders.ts";
import type { SipRequest } from "../wire/message.ts";
import { sipUri } from "../wire/uri.ts";
import { PEER_HEADER, peerClaim, peerOf } from "./peer-claim.ts";

const KEY = new Uint8Array(32).fill(1);
const SESSION = "0123456789abcdef0123456789abcdef";
const ABOUT = { sessionId: SESSION, from: "alice", to: "bob-ask" };

function invite(claim: string, changes: { from?: string; to?: string; sessionId?: string } = {}): SipRequest {
  const { from, to, sessionId } = { ...ABOUT, ...changes };
  return request("INVITE", sipUri({ user: to, host: "tv.example" }), [
    ["From", `<sip:${from}@tv.example>;tag=a`],
    ["Session-ID", sessionId],
    [PEER_HEADER, claim],
  ]);
}

simTest("a server's claim is believed for 30 s, under the operator's key only (PROTOCOL §1)", (net) => {
  const host = net.host("ds2", "10.0.0.1");
  net.run(0.25); // a clock need not tell whole milliseconds
  const claim = peerClaim(host, KEY, "ds2", ABOUT);
  assert.equal(peerOf(host, KEY, invite(claim)), "ds2");
  assert.equal(peerOf(host, new Uint8Array(32), invite(claim)), undefined);
  net.run(29_000);
  assert.equal(peerOf(host, KEY, invite(claim)), "ds2");
  net.run(2_000);
  assert.equal(peerOf(host, KEY, invite(claim)), undefined);
});

for (const changes of [{ from: "mallory" }, { to: "carol-ask" }, { sessionId: SESSION.replace("0", "1") }]) {
  simTest(`a claim vouches for its own request alone: another ${Object.keys(changes)[0]} (PROTOCOL §1)`, (net) => {
    const host = net.host("ds2", "10.0.0.1");
    assert.equal(peerOf(host, KEY, invite(peerClaim(host, KEY, "ds2", ABOUT), changes)), undefined);
  });
}
