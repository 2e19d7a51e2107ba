import { hex, utf8 } from "#base/bytes.ts";
import type { Entropy } from "#host/host.ts";

const SESSION_OCTETS = 32;
const DEVICE_SECRET_OCTETS = 16;
/** Without i, l, o and u: easy to read aloud and to type. */
const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";
const GROUP = /.{4}(?=.)/g;

/** What the browser's cookie holds: 256 random bits. */
export const newSession = (entropy: Entropy): string => hex(entropy.random(SESSION_OCTETS));
/** What is stored of it. */
export const sessionHash = (entropy: Entropy, session: string): Uint8Array => entropy.digest("SHA-256", utf8(session));

/** 128 random bits in groups of four, e.g. "7f3k-9x2a-…"; the hyphens belong to it. */
export function newDeviceSecret(entropy: Entropy): string {
  let digits = "";
  let bits = 0;
  let count = 0;
  for (const octet of entropy.random(DEVICE_SECRET_OCTETS)) {
    bits = (bits << 8) | octet;
    for (count += 8; count >= 5; count -= 5) digits += DIGITS[(bits >> (count - 5)) & 31];
    bits &= (1 << count) - 1;
  }
  digits += DIGITS[(bits << (5 - count)) & 31];
  return digits.replace(GROUP, "$&-");
}

/** H(user:realm:secret) in hex, for each digest that is offered (RFC 7616 §3.4.2, RFC 8760). */
export function ha1s(entropy: Entropy, user: string, realm: string, secret: string): { ha1Md5: string; ha1Sha256: string } {
  const a1 = utf8(`${user}:${realm}:${secret}`);
  return { ha1Md5: hex(entropy.digest("MD5", a1)), ha1Sha256: hex(entropy.digest("SHA-256", a1)) };
}
