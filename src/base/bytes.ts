const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** An empty body, shared. */
export const NO_BYTES: Uint8Array = new Uint8Array(0);

export const utf8 = (text: string): Uint8Array => encoder.encode(text);
/** Ill-formed sequences become U+FFFD: whoever must refuse them checks before. */
export const text = (bytes: Uint8Array): string => decoder.decode(bytes);

/** The text by itself: what was cut from a message holds all of it in memory (STYLE, "Hot path"). */
export const own = (cut: string): string => [cut.slice(0, 1), cut.slice(1)].join("");

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const HEX = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, "0"));
/** A text of one piece: made by appending, it would hold three times its memory. */
export function hex(bytes: Uint8Array): string {
  const digits: (string | undefined)[] = [];
  for (const octet of bytes) digits.push(HEX[octet]);
  return digits.join("");
}
/** The octets of an even number of hex digits; `undefined` for anything else. */
export function fromHex(digits: string): Uint8Array | undefined {
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) return undefined;
  return Uint8Array.from({ length: digits.length / 2 }, (_, at) => Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16));
}
