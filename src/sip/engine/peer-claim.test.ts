import assert from "node:assert/strict";
import { simTest } from "#sim/index.ts";
import { request } from "../wire/builders.ts";
import type { SipRequest } from "../wire/message.ts";
import { sipUri } from "../wire/uri.ts";
import { PEER_HEADER, peerClaim, peerOf, registerClaim } from "./peer-claim.ts";

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

const REGISTER = {
  To: "<sip:alice@tv.example>",
  "Call-ID": "1",
  CSeq: "7 REGISTER",
  Contact: "<sip:alice@10.0.0.7>",
  Expires: "60",
  Path: "<sip:token@10.0.0.1;lr;ob>",
};
const register = (changes: Partial<typeof REGISTER> = {}): SipRequest =>
  request("REGISTER", sipUri({ host: "tv.example" }), Object.entries({ ...REGISTER, ...changes }));
for (const name of Object.keys(REGISTER)) {
  simTest(`a claim vouches for one REGISTER and its Path: not with another ${name} (PROTOCOL §9, RFC 3327 §6)`, (net) => {
    const host = net.host("ds2", "10.0.0.1");
    const claim = registerClaim(host, KEY, "ds2", register());
    const same = register();
    same.headers.set(PEER_HEADER, claim);
    assert.equal(peerOf(host, KEY, same), "ds2");
    const other = register({ [name]: "<sip:mallory@10.0.0.9>" });
    other.headers.set(PEER_HEADER, claim);
    assert.equal(peerOf(host, KEY, other), undefined);
  });
}
