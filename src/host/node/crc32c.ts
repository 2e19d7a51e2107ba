/** CRC-32C (Castagnoli; RFC 3385 §3, reflected polynomial 0x82f63b78) of these octets, 0..2^32-1; eight at a time. */
export function crc32c(bytes: Uint8Array): number {
  let crc = -1;
  let at = 0;
  for (; at + 8 <= bytes.length; at += 8) {
    crc ^= octet(bytes, at) | (octet(bytes, at + 1) << 8) | (octet(bytes, at + 2) << 16) | (octet(bytes, at + 3) << 24);
    crc =
      after(7, crc & 0xff) ^
      after(6, (crc >>> 8) & 0xff) ^
      after(5, (crc >>> 16) & 0xff) ^
      after(4, crc >>> 24) ^
      after(3, octet(bytes, at + 4)) ^
      after(2, octet(bytes, at + 5)) ^
      after(1, octet(bytes, at + 6)) ^
      after(0, octet(bytes, at + 7));
  }
  for (; at < bytes.length; at++) crc = after(0, (crc ^ octet(bytes, at)) & 0xff) ^ (crc >>> 8);
  return ~crc >>> 0;
}

const octet = (bytes: Uint8Array, at: number): number => bytes[at] as number;
/** What an octet adds to the sum that so many others follow, 0..7. */
const after = (others: number, value: number): number => TABLES[(others << 8) | value] as number;

const TABLES = new Int32Array(8 * 256);
for (let value = 0; value < 256; value++) {
  let crc = value;
  for (let at = value; at < TABLES.length; at += 256) {
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    TABLES[at] = crc;
  }
}
