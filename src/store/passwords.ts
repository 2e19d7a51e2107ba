import { argon2, randomBytes, timingSafeEqual } from "node:crypto";

/** Makes and checks password hashes. No `done` is called before the method has returned. */
export interface PasswordHasher {
  hash(password: string, done: (phc: string) => void): void;
  /** False for a hash that this hasher cannot read. */
  verify(password: string, phc: string, done: (same: boolean) => void): void;
}

interface Cost {
  readonly memoryKib: number;
  readonly passes: number;
  readonly parallelism: number;
}
/** OWASP's recommendation for argon2id: about 30 ms on one core. */
const COST: Cost = { memoryKib: 19_456, passes: 2, parallelism: 1 };
const SALT_OCTETS = 16;
const TAG_OCTETS = 32;
const VERSION = 0x13; // of argon2 (RFC 9106 §3.1), the only one there is
const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,86})$/;

/** argon2id (RFC 9106) on Node's thread pool; hashes are PHC strings, so that a raised cost leaves old ones readable. */
export const argon2id: PasswordHasher = {
  hash(password, done) {
    const salt = randomBytes(SALT_OCTETS);
    derive(password, salt, COST, TAG_OCTETS, (tag) => {
      const { memoryKib, passes, parallelism } = COST;
      done(`$argon2id$v=${VERSION}$m=${memoryKib},t=${passes},p=${parallelism}$${base64(salt)}$${base64(tag)}`);
    });
  },

  verify(password, phc, done) {
    const [, memory, passes, parallelism, salt = "", tag = ""] = PHC.exec(phc) ?? [];
    if (memory === undefined) {
      setImmediate(done, false);
      return;
    }
    const cost = { memoryKib: Number(memory), passes: Number(passes), parallelism: Number(parallelism) };
    const wanted = Buffer.from(tag, "base64");
    derive(password, Buffer.from(salt, "base64"), cost, wanted.length, (found) => done(timingSafeEqual(found, wanted)));
  },
};

const base64 = (bytes: Buffer): string => bytes.toString("base64").replaceAll("=", ""); // as PHC strings have it

function derive(password: string, salt: Buffer, cost: Cost, tagOctets: number, done: (tag: Buffer) => void): void {
  const { memoryKib: memory, passes, parallelism } = cost;
  argon2("argon2id", { message: password, nonce: salt, memory, passes, parallelism, tagLength: tagOctets }, (error, tag) => {
    if (error) throw error; // out of memory, or a cost that argon2 does not know
    done(tag);
  });
}
