import { concat } from "#base/bytes.ts";
import type { Random } from "#sim/random.ts";

/** No input is longer: above the largest message that a reader takes. */
const MAX_INPUT_BYTES = 96 * 1024;
/** What lengths and counts go wrong at. */
const EDGES = [0x00, 0x01, 0x0a, 0x0d, 0x20, 0x22, 0x2c, 0x3b, 0x40, 0x47, 0x5c, 0x7f, 0x80, 0xc0, 0xfe, 0xff];

const below = (random: Random, end: number): number => Math.floor(random.share() * end);
const pick = <T>(random: Random, from: readonly T[]): T | undefined => from[below(random, from.length)];

type Spoil = (bytes: Uint8Array, random: Random, seeds: readonly Uint8Array[], tokens: readonly Uint8Array[]) => Uint8Array;

/** `bytes` with `[from, to)` replaced. */
const replaced = (bytes: Uint8Array, from: number, to: number, by: Uint8Array): Uint8Array =>
  concat([bytes.subarray(0, from), by, bytes.subarray(to)]);

function range(bytes: Uint8Array, random: Random): [from: number, to: number] {
  const from = below(random, bytes.length + 1);
  const longest = random.share() < 0.8 ? Math.min(16, bytes.length - from) : bytes.length - from; // mostly short ones
  return [from, from + below(random, longest + 1)];
}
function overwritten(bytes: Uint8Array, random: Random, octet: (old: number) => number): Uint8Array {
  const out = bytes.slice();
  const at = below(random, bytes.length);
  if (at < out.length) out[at] = octet(out[at] ?? 0);
  return out;
}

const SPOILS: readonly Spoil[] = [
  function flipBit(bytes, random) {
    return overwritten(bytes, random, (old) => old ^ (1 << below(random, 8)));
  },
  function setOctet(bytes, random) {
    return overwritten(bytes, random, () => pick(random, EDGES) ?? 0);
  },
  function addToOctet(bytes, random) {
    return overwritten(bytes, random, (old) => old + below(random, 9) - 4);
  },
  function leaveOut(bytes, random) {
    return replaced(bytes, ...range(bytes, random), new Uint8Array());
  },
  function truncate(bytes, random) {
    return bytes.subarray(0, below(random, bytes.length + 1));
  },
  function insertNoise(bytes, random) {
    const at = below(random, bytes.length + 1);
    return replaced(bytes, at, at, random.bytes(1 + below(random, 8)));
  },
  function repeat(bytes, random) {
    const [from, to] = range(bytes, random);
    const many = random.share() < 0.02 ? 4_096 : 8;
    const times = Math.min(1 + below(random, many), Math.floor(MAX_INPUT_BYTES / Math.max(1, to - from)));
    return replaced(bytes, to, to, concat(Array.from({ length: times }, () => bytes.subarray(from, to))));
  },
  function copyElsewhere(bytes, random) {
    const [from, to] = range(bytes, random);
    return replaced(bytes, ...range(bytes, random), bytes.slice(from, to));
  },
  function splice(bytes, random, seeds) {
    const other = pick(random, seeds) ?? bytes;
    return concat([bytes.subarray(0, below(random, bytes.length + 1)), other.subarray(below(random, other.length + 1))]);
  },
  function insertToken(bytes, random, _seeds, tokens) {
    const at = below(random, bytes.length + 1);
    return replaced(bytes, at, at, pick(random, tokens) ?? new Uint8Array());
  },
  function putToken(bytes, random, _seeds, tokens) {
    return replaced(bytes, ...range(bytes, random), pick(random, tokens) ?? new Uint8Array());
  },
];

/** A good input, spoilt one to six times over. */
export function mutate(random: Random, seeds: readonly Uint8Array[], tokens: readonly Uint8Array[]): Uint8Array {
  let bytes = pick(random, seeds) ?? new Uint8Array();
  for (let times = 1 + below(random, 6); times > 0; times--)
    bytes = (pick(random, SPOILS) ?? ((same) => same))(bytes, random, seeds, tokens).subarray(0, MAX_INPUT_BYTES);
  return bytes.slice(); // of its own, so that a reader who keeps a view of it is seen
}
