import assert from "node:assert/strict";
import { test } from "node:test";
import type { Member, Overlay } from "#overlay/types.ts";
import { parseUri } from "#sip/wire/uri.ts";
import { dsInfo, Fellows } from "./peers.ts";
import type { DsConfig } from "./types.ts";

const at = (port: number) => ({ host: "10.0.2.1", port });
const DS2: DsConfig = {
  ...{ id: "ds2", site: "south", domain: "tv.example", edge: at(3288), edgeId: "edge2", digest: ["SHA-256"], origins: [] },
  ...{ udp: at(5060), tcp: at(5060), tls: at(5061), ws: at(8080) },
};
const member = (id: string, info: Member["info"], phase: Member["phase"] = "serving"): Member => ({
  id,
  role: "ds",
  phase,
  info,
});
/** What ds1 knows of ds2. */
function fellows(ds2: Member, serves = true): Fellows {
  const self = member("ds1", { sip: "10.0.1.1:5060" });
  const overlay: Pick<Overlay, "self" | "members"> = { self, members: () => [self, ds2] };
  return new Fellows(overlay as Overlay, "tv.example", () => serves);
}

for (const [peers, wants] of [
  ["udp", { transport: "udp", ...at(5060) }],
  ["tcp", { transport: "tcp", ...at(5060) }],
  ["tls", { transport: "tls", ...at(5061), domain: "ds2.tv.example" }],
] as const) {
  test(`a DS that is to be reached by ${peers} is, whichever way it is named (PROTOCOL §9, RFC 5922 §7.3)`, () => {
    const known = fellows(member("ds2", dsInfo({ ...DS2, peers })));
    assert.deepEqual(known.at("ds2"), wants);
    for (const uri of ["sip:x@10.0.2.1", "sip:ds2.tv.example:5061;transport=tls"])
      assert.deepEqual(known.of(parseUri(uri) ?? assert.fail()), wants, uri);
  });
}
test("where this DS has no such transport UDP will do", () => {
  assert.deepEqual(fellows(member("ds2", dsInfo({ ...DS2, peers: "tls" })), false).at("ds2"), { transport: "udp", ...at(5060) });
});
test("nobody else is a fellow, this DS itself least of all", () => {
  const known = fellows(member("ds2", dsInfo(DS2)));
  for (const uri of ["sip:x@10.0.1.1", "sip:x@10.0.2.1:5062", "sip:x@tv.example", "sip:x@ds3.tv.example"])
    assert.equal(known.of(parseUri(uri) ?? assert.fail()), undefined, uri);
  assert.deepEqual([known.at("ds1"), known.at("ds3")], [undefined, undefined]);
});
test("a DS that starts or stops is reached, but takes no new users", () => {
  for (const phase of ["joining", "draining"] as const) {
    const known = fellows(member("ds2", dsInfo(DS2), phase));
    assert.deepEqual([known.at("ds2")?.transport, known.serving("ds2")], ["udp", undefined]);
  }
});
