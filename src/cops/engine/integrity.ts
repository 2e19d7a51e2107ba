import { utf8 } from "#base/bytes.ts";
import type { Entropy } from "#host/host.ts";
import { COPS_ERROR, type CopsFault } from "../wire/grammar.ts";
import { u32 } from "../wire/layout.ts";
import { type CopsMessage, encodeMessage, objectOf } from "../wire/message.ts";
import { COPS_OBJECTS } from "../wire/objects.ts";

/** A secret that a PEP and its PDP share (RFC 2748 §4.2), for HMAC-MD5-96. */
export interface CopsKey {
  readonly keyId: number; // 32 bits
  readonly key: Uint8Array;
}
/** As it stands in a configuration: the secret as text. */
export const copsKey = ({ keyId, key }: { readonly keyId: number; readonly key: string }): CopsKey => ({ keyId, key: utf8(key) });

/** HMAC-MD5-96: what it leaves of the digest, octets. */
const DIGEST_BYTES = 12;

/**
 * Integrity of one connection, the same on both sides (RFC 2748 §2.2.16, §4.1). Each side's first message, OPN or CAT of
 * client-type 0, sets the number from which the other side's later messages count up by one.
 * Departs from RFC 2748 §5: first numbers are random, as a clock that jumps would repeat them.
 */
export class Integrity {
  readonly #keys: readonly CopsKey[];
  readonly #host: Pick<Entropy, "random" | "hmac">;
  /** Agreed on: a PEP's only one, or the one that the PEP of a PDP named. */
  #key: CopsKey | undefined;
  /** The latest number of theirs, at first what we set; `undefined` before our first message. */
  #theirs: number | undefined;
  #ours: number | undefined;

  /** `keys`: the one that a PEP uses, or those that a PDP takes; none = messages are neither sealed nor checked. */
  constructor(keys: readonly CopsKey[], host: Pick<Entropy, "random" | "hmac">) {
    this.#keys = keys;
    this.#host = host;
  }

  /** The message's octets; what precedes the agreement or ends its failure is not sealed. */
  seal(message: CopsMessage): Uint8Array {
    const key = this.#key ?? (message.op === "OPN" ? this.#keys[0] : undefined);
    const sequence = key && this.#nextOf(message);
    if (!key || sequence === undefined) return encodeMessage(message);
    const integrity = { kind: "integrity", keyId: key.keyId, sequence, digest: new Uint8Array(DIGEST_BYTES) } as const;
    const bytes = encodeMessage({ ...message, objects: [...message.objects, integrity] });
    bytes.set(this.#digest(key, bytes), bytes.length - DIGEST_BYTES);
    return bytes;
  }

  /** What is wrong with a message that came, or nothing (§4.1). */
  check(message: CopsMessage, octets: Uint8Array): CopsFault | undefined {
    if (this.#keys.length === 0) return undefined;
    const last = message.objects.at(-1);
    if (last?.kind === "unknown" && last.num === COPS_OBJECTS.integrity.num)
      return { code: COPS_ERROR.unknownObject, subCode: last.num * 256 + last.type };
    const integrity = objectOf(message, "integrity");
    if (!integrity) return { code: COPS_ERROR.authenticationRequired, subCode: 0 };
    const key = this.#key ?? this.#keys.find(({ keyId }) => keyId === integrity.keyId);
    const authentic =
      key?.keyId === integrity.keyId &&
      integrity.digest.length === DIGEST_BYTES &&
      isSame(integrity.digest, this.#digest(key, octets)) &&
      this.#isNext(integrity.sequence);
    if (!authentic) return { code: COPS_ERROR.authenticationFailure, subCode: 0 };
    this.#key = key;
    return undefined;
  }

  #nextOf({ op, clientType }: CopsMessage): number | undefined {
    if (this.#theirs === undefined && clientType === 0 && (op === "OPN" || op === "CAT")) {
      this.#theirs = u32(this.#host.random(4), 0);
      return this.#theirs;
    }
    if (this.#ours !== undefined) this.#ours = (this.#ours + 1) >>> 0;
    return this.#ours;
  }
  #isNext(sequence: number): boolean {
    if (this.#ours === undefined) this.#ours = sequence;
    else if (this.#theirs === undefined || sequence !== (this.#theirs + 1) >>> 0) return false;
    else this.#theirs = sequence;
    return true;
  }
  /** Over all but the digest itself, which stands last. */
  #digest({ key }: CopsKey, bytes: Uint8Array): Uint8Array {
    return this.#host.hmac("MD5", key, bytes.subarray(0, bytes.length - DIGEST_BYTES)).subarray(0, DIGEST_BYTES);
  }
}

/** Takes as long for any two of one length. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (const [at, octet] of a.entries()) difference |= octet ^ (b[at] ?? 0);
  return difference === 0;
}
