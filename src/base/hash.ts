import type { DigestAlgorithm } from "#host/host.ts";
import { concat, hex, utf8 } from "./bytes.ts";

/**
 * MD5 (RFC 1321) and SHA-256 (FIPS 180-4) in one shot, and HMAC over them (RFC 2104): for pages served without TLS, where
 * `crypto.subtle` does not exist, and for the simulator. MD5 is here for digest authentication alone (RFC 8760 §2.3).
 */
export function digest(algorithm: DigestAlgorithm, bytes: Uint8Array): Uint8Array {
  return algorithm === "MD5" ? md5(bytes) : sha256(bytes);
}

const BLOCK_OCTETS = 64;

export function hmac(algorithm: DigestAlgorithm, key: Uint8Array, bytes: Uint8Array): Uint8Array {
  const block = new Uint8Array(BLOCK_OCTETS);
  block.set(key.length > BLOCK_OCTETS ? digest(algorithm, key) : key);
  const inner = digest(algorithm, concat([block.map((octet) => octet ^ 0x36), bytes]));
  return digest(algorithm, concat([block.map((octet) => octet ^ 0x5c), inner]));
}

/** What a host offers of it. */
export const HASHES = {
  digest,
  hmac,
  digestHex: (algorithm: DigestAlgorithm, text: string): string => hex(digest(algorithm, utf8(text))),
  hmacHex: (algorithm: DigestAlgorithm, key: Uint8Array, text: string): string => hex(hmac(algorithm, key, utf8(text))),
} as const;

const MD5_START = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
const MD5_SHIFTS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
].map((row) => Uint8Array.from(row));
const MD5_SINES = Int32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32));

function md5(bytes: Uint8Array): Uint8Array {
  const view = padded(bytes, true);
  const state = Int32Array.from(MD5_START);
  const words = new Int32Array(16);
  for (let at = 0; at < view.byteLength; at += BLOCK_OCTETS) {
    for (let i = 0; i < 16; i++) words[i] = view.getInt32(at + 4 * i, true);
    md5Block(state, words);
  }
  return octets(state, true);
}

/** RFC 1321 §3.4. */
function md5Block(state: Int32Array, words: Int32Array): void {
  let [a = 0, b = 0, c = 0, d = 0] = state;
  for (let i = 0; i < 64; i++) {
    const round = i >> 4;
    let mixed: number;
    let word: number;
    if (round === 0) {
      mixed = (b & c) | (~b & d);
      word = i;
    } else if (round === 1) {
      mixed = (b & d) | (c & ~d);
      word = 5 * i + 1;
    } else if (round === 2) {
      mixed = b ^ c ^ d;
      word = 3 * i + 5;
    } else {
      mixed = c ^ (b | ~d);
      word = 7 * i;
    }
    const sum = (a + mixed + (MD5_SINES[i] ?? 0) + (words[word & 15] ?? 0)) | 0;
    const shift = MD5_SHIFTS[round]?.[i & 3] ?? 0;
    a = d;
    d = c;
    c = b;
    b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0;
  }
  add(state, [a, b, c, d]);
}

/** The first `count` primes, for SHA-256's constants. */
function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((prime) => n % prime !== 0)) found.push(n);
  return found;
}
const fractionBits = (x: number): number => Math.floor((x - Math.floor(x)) * 2 ** 32);
const SHA256_START = primes(8).map((prime) => fractionBits(Math.sqrt(prime)));
const SHA256_ROUNDS = Int32Array.from(primes(64), (prime) => fractionBits(Math.cbrt(prime)));

function sha256(bytes: Uint8Array): Uint8Array {
  const view = padded(bytes, false);
  const state = Int32Array.from(SHA256_START);
  const schedule = new Int32Array(64);
  for (let at = 0; at < view.byteLength; at += BLOCK_OCTETS) {
    for (let i = 0; i < 16; i++) schedule[i] = view.getInt32(at + 4 * i);
    for (let i = 16; i < 64; i++) {
      const w15 = schedule[i - 15] ?? 0;
      const w2 = schedule[i - 2] ?? 0;
      const s0 = right(w15, 7) ^ right(w15, 18) ^ (w15 >>> 3);
      const s1 = right(w2, 17) ^ right(w2, 19) ^ (w2 >>> 10);
      schedule[i] = (schedule[i - 16] ?? 0) + s0 + (schedule[i - 7] ?? 0) + s1;
    }
    sha256Block(state, schedule);
  }
  return octets(state, false);
}

/** FIPS 180-4 §6.2.2. */
function sha256Block(state: Int32Array, schedule: Int32Array): void {
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let i = 0; i < 64; i++) {
    const s1 = right(e, 6) ^ right(e, 11) ^ right(e, 25);
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + (SHA256_ROUNDS[i] ?? 0) + (schedule[i] ?? 0)) | 0;
    const s0 = right(a, 2) ^ right(a, 13) ^ right(a, 22);
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  add(state, [a, b, c, d, e, f, g, h]);
}

const right = (word: number, by: number): number => (word >>> by) | (word << (32 - by));

function add(state: Int32Array, words: readonly number[]): void {
  for (const [i, word] of words.entries()) state[i] = (state[i] ?? 0) + word;
}

/** Both pad alike: 0x80, zeros, the length in bits as 64 bits; only the octet order differs. */
function padded(bytes: Uint8Array, littleEndian: boolean): DataView {
  const whole = new Uint8Array(Math.ceil((bytes.length + 9) / BLOCK_OCTETS) * BLOCK_OCTETS);
  whole.set(bytes);
  whole[bytes.length] = 0x80;
  const view = new DataView(whole.buffer);
  const low = (bytes.length << 3) >>> 0;
  const high = Math.floor(bytes.length / 2 ** 29);
  view.setUint32(whole.length - 8, littleEndian ? low : high, littleEndian);
  view.setUint32(whole.length - 4, littleEndian ? high : low, littleEndian);
  return view;
}

function octets(state: Int32Array, littleEndian: boolean): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * state.length));
  for (const [i, word] of state.entries()) view.setInt32(4 * i, word, littleEndian);
  return new Uint8Array(view.buffer);
}
