import { ObjectCodec, type ObjectOf, type UnknownObject } from "./layout.ts";

/** COPS objects (RFC 2748 §2.2): to add an object, add a row and its golden message. */
export const COPS_OBJECTS = {
  handle: { num: 1, type: 1, fields: { handle: "hex" } }, // §2.2.1
  context: { num: 2, type: 1, fields: { requestType: "u16", messageType: "u16" } }, // §2.2.2
  inInterface4: { num: 3, type: 1, fields: { address: "ipv4", ifIndex: "u32" } }, // §2.2.3
  inInterface6: { num: 3, type: 2, fields: { address: "ipv6", ifIndex: "u32" } },
  outInterface4: { num: 4, type: 1, fields: { address: "ipv4", ifIndex: "u32" } }, // §2.2.4
  outInterface6: { num: 4, type: 2, fields: { address: "ipv6", ifIndex: "u32" } },
  reason: { num: 5, type: 1, fields: { code: "u16", subCode: "u16" } }, // §2.2.5
  decisionFlags: { num: 6, type: 1, fields: { command: "u16", flags: "u16" } }, // §2.2.6
  decisionStateless: { num: 6, type: 2, fields: { data: "octets" } },
  decisionReplacement: { num: 6, type: 3, fields: { data: "octets" } },
  decisionClientSi: { num: 6, type: 4, fields: { data: "octets" } },
  decisionNamed: { num: 6, type: 5, fields: { data: "octets" } },
  lpdpFlags: { num: 7, type: 1, fields: { command: "u16", flags: "u16" } }, // §2.2.7
  lpdpStateless: { num: 7, type: 2, fields: { data: "octets" } },
  lpdpReplacement: { num: 7, type: 3, fields: { data: "octets" } },
  lpdpClientSi: { num: 7, type: 4, fields: { data: "octets" } },
  lpdpNamed: { num: 7, type: 5, fields: { data: "octets" } },
  error: { num: 8, type: 1, fields: { code: "u16", subCode: "u16" } }, // §2.2.8
  signaledSi: { num: 9, type: 1, fields: { data: "octets" } }, // §2.2.9
  namedSi: { num: 9, type: 2, fields: { data: "octets" } },
  kaTimer: { num: 10, type: 1, fields: { reserved: "zero16", timerSec: "u16" } }, // §2.2.10, 0 = never
  pepId: { num: 11, type: 1, fields: { id: "name" } }, // §2.2.11
  reportType: { num: 12, type: 1, fields: { type: "u16", reserved: "zero16" } }, // §2.2.12
  pdpRedirect4: { num: 13, type: 1, fields: { address: "ipv4", reserved: "zero16", port: "u16" } }, // §2.2.13
  pdpRedirect6: { num: 13, type: 2, fields: { address: "ipv6", reserved: "zero16", port: "u16" } },
  lastPdp4: { num: 14, type: 1, fields: { address: "ipv4", reserved: "zero16", port: "u16" } }, // §2.2.14
  lastPdp6: { num: 14, type: 2, fields: { address: "ipv6", reserved: "zero16", port: "u16" } },
  acctTimer: { num: 15, type: 1, fields: { reserved: "zero16", timerSec: "u16" } }, // §2.2.15
  integrity: { num: 16, type: 1, fields: { keyId: "u32", sequence: "u32", digest: "octets" } }, // §2.2.16
} as const;
export type CopsObjectKind = keyof typeof COPS_OBJECTS;
export type CopsObject<K extends CopsObjectKind = CopsObjectKind> = ObjectOf<typeof COPS_OBJECTS, K>;
export type AnyCopsObject = CopsObject | UnknownObject;
export const copsObjects = new ObjectCodec(COPS_OBJECTS);

/** COPS-PR objects inside Named ClientSI and Named Decision Data (RFC 3084 §4). */
const PR_OBJECTS = {
  prid: { num: 1, type: 1, fields: { oid: "oid" } }, // §4.1
  pprid: { num: 2, type: 1, fields: { oid: "oid" } }, // §4.2
  epd: { num: 3, type: 1, fields: { data: "octets" } }, // §4.3
  gperr: { num: 4, type: 1, fields: { code: "u16", subCode: "u16" } }, // §4.4
  cperr: { num: 5, type: 1, fields: { code: "u16", subCode: "u16" } }, // §4.5
  errorPrid: { num: 6, type: 1, fields: { oid: "oid" } }, // §4.6
} as const;
export type PrObject = ObjectOf<typeof PR_OBJECTS>;
export const prObjects = new ObjectCodec(PR_OBJECTS);
