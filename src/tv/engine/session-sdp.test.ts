import assert from "node:assert/strict";
import { test } from "node:test";
import { text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { JoinGrant } from "#cops/engine/iptv.ts";
import type { Flow } from "#sip/engine/ports.ts";
import { request } from "#sip/wire/builders.ts";
import type { SipRequest } from "#sip/wire/message.ts";
import { parseUri } from "#sip/wire/uri.ts";
import {
  declines,
  ingestDescription,
  readIngestOffer,
  readViewerOffer,
  viewerDescription,
  wantsToBroadcast,
} from "./session-sdp.ts";

const flow: Flow = {
  id: "f",
  transport: "udp",
  local: { host: "10.0.0.1", port: 5060 },
  remote: { host: "10.0.0.7", port: 5060 },
  origin: "https://tv.example",
};
const HEAD = ["v=0", "o=- 1 1 IN IP4 192.168.0.9", "s=-", "c=IN IP4 192.168.0.9", "t=0 0"];
function invite(media: readonly string[], uri = "sip:news@tv.example", type = "application/sdp"): SipRequest {
  const target = parseUri(uri) ?? assert.fail(`bad URI ${uri}`);
  if (media.length === 0) return request("INVITE", target, []);
  return request("INVITE", target, [["Content-Type", type]], utf8(`${[...HEAD, ...media].join("\r\n")}\r\n`));
}
const UNICAST = ["m=video 7000 RTP/AVP 33", "a=recvonly"];
const BROWSER = ["m=video 9 TCP/WSS/MP2T 33", "a=recvonly", "a=setup:active", "a=connection:new"];

const OFFERS: { name: string; invite: SipRequest; wants: object | undefined }[] = [
  { name: "no SDP asks for the group", invite: invite([]), wants: { form: "multicast", kbps: undefined } },
  {
    name: "the URI may name a rate",
    invite: invite([], "sip:news@tv.example;rate=800"),
    wants: { form: "multicast", kbps: 800 },
  },
  {
    name: "a rate that is no number is no wish",
    invite: invite([], "sip:news@tv.example;rate=fast"),
    wants: { form: "multicast", kbps: undefined },
  },
  {
    name: "unicast goes to whoever signals, whatever c= says",
    invite: invite(UNICAST),
    wants: { form: "unicast", kbps: undefined, to: "10.0.0.7:7000" },
  },
  {
    name: "b=AS is a wish",
    invite: invite(["m=video 7000 RTP/AVP 33", "b=AS:900", "a=recvonly"]),
    wants: { form: "unicast", kbps: 900, to: "10.0.0.7:7000" },
  },
  { name: "a page connects to the stream (RFC 8124)", invite: invite(BROWSER), wants: { form: "websocket", kbps: undefined } },
  {
    name: "the first m= line that we can send is taken",
    invite: invite(["m=audio 6000 RTP/AVP 0", ...UNICAST]),
    wants: { form: "unicast", kbps: undefined, to: "10.0.0.7:7000" },
  },
  {
    name: "a page that waits to be connected to is refused",
    invite: invite(["m=video 9 TCP/WS/MP2T 33", "a=recvonly", "a=setup:passive"]),
    wants: undefined,
  },
  { name: "a codec of its own is refused", invite: invite(["m=video 7000 RTP/AVP 96", "a=recvonly"]), wants: undefined },
  {
    name: "a stream that is only sent is no viewer's",
    invite: invite(["m=video 7000 RTP/AVP 33", "a=inactive"]),
    wants: undefined,
  },
  { name: "a body that is no SDP is refused", invite: invite(UNICAST, undefined, "text/plain"), wants: undefined },
  { name: "broken SDP is refused", invite: invite(["m=video"]), wants: undefined },
];
for (const { name, invite: asked, wants } of OFFERS)
  test(`viewer's offer: ${name} (PROTOCOL §3)`, () => {
    const read = readViewerOffer(asked, flow);
    if (read === undefined || wants === undefined) return assert.equal(read, wants);
    const { form, kbps } = read;
    assert.deepEqual({ form, kbps, ...(read.form === "unicast" && { to: read.to }) }, wants);
  });

const GRANTS: { name: string; invite: SipRequest; grant: JoinGrant; wants: RegExp[] | undefined }[] = [
  {
    name: "the group with its only source (RFC 4570), no RTCP",
    invite: invite([]),
    grant: { kbps: 500, group: "232.0.1.3:5004", source: "10.1.0.1" },
    wants: [
      /c=IN IP4 232\.0\.1\.3\/16/,
      /a=source-filter: incl IN IP4 232\.0\.1\.3 10\.1\.0\.1/,
      /m=video 5004 RTP\/AVP 33/,
      /b=AS:500/,
      /b=RR:0/,
      /b=RS:0/,
      /a=recvonly/,
    ],
  },
  {
    name: "a WebSocket under the page's own origin (PROTOCOL §14)",
    invite: invite(BROWSER),
    grant: { kbps: 500, token: "edge1.ab", mediaBase: "ws://10.1.0.1:5063" },
    wants: [
      /m=video 443 TCP\/WSS\/MP2T 33/,
      /a=setup:passive/,
      /a=websocket-uri:wss:\/\/tv\.example\/media\/edge1\.ab/,
      /a=sendonly/,
    ],
  },
  {
    name: "one m= line for each of the offer's, port 0 where unused (RFC 3264 §6)",
    invite: invite(["m=audio 6000 RTP/AVP 0", ...UNICAST]),
    grant: { kbps: 500, source: "10.1.0.1:6100" },
    wants: [/m=audio 0 RTP\/AVP 0\r\nm=video 6100 RTP\/AVP 33/, /a=sendonly/],
  },
  {
    name: "reports are taken, none is sent (RFC 3556)",
    invite: invite(UNICAST),
    grant: { kbps: 500, source: "10.1.0.1:6100" },
    wants: [/b=AS:500\r\nb=RR:800\r\nb=RS:0\r\n/],
  },
  { name: "nothing from a grant without a group", invite: invite([]), grant: { kbps: 500 }, wants: undefined },
  { name: "nothing from a grant without a token", invite: invite(BROWSER), grant: { kbps: 500 }, wants: undefined },
];
for (const { name, invite: asked, grant, wants } of GRANTS)
  test(`viewer's description: ${name}`, () => {
    const offer = readViewerOffer(asked, flow) ?? assert.fail("no offer");
    const body = viewerDescription(offer, grant, flow, 1_000);
    assert.equal(body === undefined, wants === undefined);
    for (const want of wants ?? []) assert.match(text(body?.bytes ?? assert.fail("no body")), want);
  });

test("a sendonly first m= line goes live, anything else watches (PROTOCOL §2)", () => {
  assert.ok(wantsToBroadcast(invite(sent(800))));
  assert.ok(![invite([]), invite(UNICAST), invite(BROWSER)].some(wantsToBroadcast));
});

const sent = (kbps?: number, port = 9): string[] => [
  `m=video ${port} RTP/AVP 33`,
  ...(kbps === undefined ? [] : [`b=AS:${kbps}`]),
  "a=sendonly",
];
const grantAt = (kbps: number, port: number) => {
  return { kbps, group: "232.0.1.0:5004", source: "10.1.0.1", ingest: `10.1.0.1:${port}` };
};
const INGESTS: {
  name: string;
  offer: readonly string[];
  rates: readonly (number | undefined)[];
  grants: readonly (number | undefined)[];
  wants: readonly string[];
}[] = [
  { name: "one rendition", offer: sent(800), rates: [800], grants: [800], wants: ["6001 AS:800"] },
  {
    name: "three renditions, each with an address of its own [B8]",
    offer: [...sent(2_000), ...sent(800), ...sent()],
    rates: [2_000, 800, undefined],
    grants: [2_000, 800, 500],
    wants: ["6001 AS:2000", "6002 AS:800", "6003 AS:500"],
  },
  {
    name: "port 0 for what was refused",
    offer: [...sent(2_000), ...sent(800)],
    rates: [2_000, 800],
    grants: [undefined, 800],
    wants: ["0", "6002 AS:800"],
  },
  {
    name: `port 0 for more than ${LIMITS.renditions}`,
    offer: [1, 2, 3, 4].flatMap((kbps) => sent(kbps)),
    rates: [1, 2, 3],
    grants: [1, 2, 3],
    wants: ["6001 AS:1", "6002 AS:2", "6003 AS:3", "0"],
  },
  {
    name: "port 0 for what is no MPEG-TS, not sent, or declined",
    offer: ["m=audio 6000 RTP/AVP 0", ...UNICAST, ...sent(500, 0), ...sent(800)],
    rates: [800],
    grants: [800],
    wants: ["0", "0", "0", "6001 AS:800"],
  },
];
for (const { name, offer, rates, grants, wants } of INGESTS)
  test(`ingest: ${name} (PROTOCOL §3 form 1, RFC 3264 §6)`, () => {
    const read = readIngestOffer(invite(offer)) ?? assert.fail("no ingest offer");
    assert.deepEqual(
      read.renditions.map(({ kbps }) => kbps),
      rates,
    );
    const granted = grants.map((kbps, at) => (kbps === undefined ? undefined : grantAt(kbps, 6_001 + at)));
    const [, ...answers] = text(ingestDescription(read, granted, 1_000).bytes).split("m=");
    const told = answers.map((media) => {
      assert.match(media, /^\w+ 0 |c=IN IP4 10\.1\.0\.1\r\n.*a=recvonly/s);
      return [media.split(" ")[1], /AS:\d+/.exec(media)?.[0]].filter(Boolean).join(" ");
    });
    assert.deepEqual(told, wants);
  });
test("nothing to ingest is no ingest offer", () => {
  for (const offer of [invite([]), invite(UNICAST), invite(sent(800, 0))]) assert.equal(readIngestOffer(offer), undefined);
});

test("an ACK with port 0 declines the group, one that repeats it does not (RFC 3264 §6)", () => {
  assert.ok(declines(invite(["m=video 0 RTP/AVP 33"])));
  assert.ok(!declines(invite(["m=video 5004 RTP/AVP 33", "a=recvonly"])));
  assert.ok(!declines(invite([])));
});
