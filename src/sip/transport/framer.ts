import { NO_BYTES, text } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { parseNumber } from "../wire/lex.ts";
import { lengthOfHead } from "../wire/parse.ts";

/** The octets are the framer's again at the next `push`. */
export type Frame =
  | { readonly kind: "message"; readonly bytes: Uint8Array }
  /** Where the next message would begin cannot be told: what there is of this one is for an answer, if it deserves one. */
  | { readonly kind: "broken"; readonly bytes: Uint8Array }
  | { readonly kind: "keep-alive" };

const NONE: readonly Frame[] = [];
const KEEP_ALIVE: Frame = { kind: "keep-alive" };
const CR = 13;
const LF = 10;
const EMPTY_LINE_OCTETS = 4; // with the CRLF before it

/**
 * Cuts a stream into messages by their Content-Length (RFC 3261 §7.5, §18.3), and finds the keep-alives between them: a double
 * CRLF from who opened the connection, a single one from who answers it (RFC 5626 §3.5.1).
 */
export class StreamFramer {
  readonly #keepAliveOctets: 2 | 4;
  #buffer = NO_BYTES;
  #start = 0; // of what is not yet framed
  #end = 0;
  #scanned = 0; // from `#start`: no empty line begins before
  #messageOctets: number | undefined; // of the message at `#start`, once its head is there
  #broken = false;

  constructor(side: "accepted" | "opened") {
    this.#keepAliveOctets = side === "accepted" ? 4 : 2;
  }

  /** Whether a message has begun that has not ended. */
  get inMessage(): boolean {
    return this.#end > this.#start;
  }

  push(octets: Uint8Array): readonly Frame[] {
    if (this.#broken) return NONE;
    this.#append(octets);
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #append(octets: Uint8Array): void {
    const held = this.#buffer.subarray(this.#start, this.#end);
    const needed = held.length + octets.length;
    if (needed > this.#buffer.length) {
      this.#buffer = new Uint8Array(Math.max(needed, 2 * held.length));
      this.#buffer.set(held);
    } else this.#buffer.copyWithin(0, this.#start, this.#end);
    this.#buffer.set(octets, held.length);
    this.#start = 0;
    this.#end = needed;
  }

  #next(): Frame | undefined {
    if (this.#broken) return undefined;
    if (this.#messageOctets === undefined) {
      const breaks = this.#breaks();
      if (breaks !== undefined) return breaks;
      const unread = this.#buffer.subarray(this.#start, this.#end);
      const headOctets = lengthOfHead(unread, this.#scanned);
      if (headOctets === undefined) {
        this.#scanned = Math.max(0, unread.length - EMPTY_LINE_OCTETS + 1);
        return unread.length > LIMITS.sipMessageBytes ? this.#break(unread.length) : undefined;
      }
      this.#messageOctets = octetsOfMessage(unread.subarray(0, headOctets));
      if (this.#messageOctets === undefined) return this.#break(headOctets + EMPTY_LINE_OCTETS);
    }
    return this.#end - this.#start < this.#messageOctets
      ? undefined
      : { kind: "message", bytes: this.#take(this.#messageOctets) };
  }

  /** Takes line breaks before a message; a keep-alive is told. */
  #breaks(): Frame | undefined {
    while (this.#buffer[this.#start] === CR && this.#buffer[this.#start + 1] === LF && this.#end - this.#start >= 2) {
      const unread = this.#buffer.subarray(this.#start, this.#end);
      const double = unread[2] === CR && unread[3] === LF;
      if (this.#keepAliveOctets === 2 || double) {
        this.#take(this.#keepAliveOctets);
        return KEEP_ALIVE;
      }
      if (unread.length < 4 && (unread[2] ?? CR) === CR) return undefined; // perhaps half of one
      this.#take(2);
    }
    return undefined;
  }

  #take(octets: number): Uint8Array {
    const taken = this.#buffer.subarray(this.#start, this.#start + octets);
    this.#start += octets;
    this.#scanned = 0;
    this.#messageOctets = undefined;
    return taken;
  }

  #break(octets: number): Frame {
    this.#broken = true;
    return { kind: "broken", bytes: this.#take(octets) };
  }
}

const START_LINE = /^(?:\S.* )?SIP\/\d/i;
const CONTENT_LENGTH = /\r\n(?:content-length|l)[ \t]*:(.*?)(?=\r\n(?![ \t])|$)/gis;

/** Of the whole message with that head; `undefined` where there is no one Content-Length, it is too large, or this is no SIP. */
function octetsOfMessage(head: Uint8Array): number | undefined {
  const headText = text(head);
  if (!START_LINE.test(headText)) return undefined;
  const values = Array.from(headText.matchAll(CONTENT_LENGTH), ([, value = ""]) => parseNumber(value.trim()));
  const [length] = values;
  if (length === undefined || values.some((value) => value !== length)) return undefined;
  const octets = head.length + EMPTY_LINE_OCTETS + length;
  return octets > LIMITS.sipMessageBytes ? undefined : octets;
}
