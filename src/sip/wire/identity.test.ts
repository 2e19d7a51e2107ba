import assert from "node:assert/strict";
import { test } from "node:test";
import { namesDomain } from "./identity.ts";

const CASES: [name: string, names: string[], domain: string, wants: boolean][] = [
  ["a SIP URI without user names its host", ["URI:sip:tv.example"], "tv.example", true],
  ["schemes and hosts are compared without case", ["URI:SIP:TV.example"], "tv.EXAMPLE", true],
  ["port and parameters of the URI do not count (§7.2)", ["URI:sip:tv.example:5061;transport=tcp"], "tv.example", true],
  ["a URI with a user names a person", ["URI:sip:alice@tv.example"], "tv.example", false],
  ["another scheme names nobody", ["URI:https://tv.example"], "tv.example", false],
  ["a DNS name counts", ["DNS:tv.example"], "tv.example", true],
  ["a DNS name does not count beside a SIP URI", ["DNS:ds1.tv.example", "URI:sip:tv.example"], "ds1.tv.example", false],
  ["a person's URI leaves the DNS name its place", ["DNS:tv.example", "URI:sip:a@tv.example"], "tv.example", true],
  ["a wildcard is nobody's name (§7.2)", ["DNS:*.tv.example", "URI:sip:*.tv.example"], "ds1.tv.example", false],
  ["a suffix is another name (§7.2)", ["DNS:tv.example"], "ds1.tv.example", false],
  ["an address as a SIP URI", ["URI:sip:[::1]"], "[::1]", true],
  ["no name at all", [], "tv.example", false],
];
for (const [name, names, domain, wants] of CASES)
  test(`${name} (RFC 5922 §7.1)`, () => assert.equal(namesDomain(names, domain), wants));
