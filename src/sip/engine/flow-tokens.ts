/** Flow tokens (RFC 5626 §5.2): what a proxy writes into the user part of its own Record-Route and Path. */
import { fromHex, hex, text, utf8 } from "#base/bytes.ts";
import type { Entropy } from "#host/host.ts";
import { sameText } from "./digest.ts";

const MAC_DIGITS = 20; // 80 bits, as in the RFC's example

/**
 * A token names a flow, or none, and the scope that it is good for: a dialog's Call-ID, or `PATH`. Nobody else can make
 * one, so that a request which bears one was let in by us before: it needs no challenge, and no stranger relays through us.
 */
export class FlowTokens {
  /** The scope of Path entries: every request for the binding. No Call-ID has a blank in it. */
  static readonly PATH = "for path";
  readonly #host: Pick<Entropy, "hmacHex">;
  readonly #key: Uint8Array;

  /** Who has the same key reads the same tokens. */
  constructor(host: Pick<Entropy, "hmacHex">, key: Uint8Array) {
    this.#host = host;
    this.#key = key;
  }

  mint(scope: string, flowId = ""): string {
    return `${this.#mac(scope, flowId)}${hex(utf8(flowId))}`;
  }
  /** The flow's id, "" = none; `undefined` for what we did not mint for that scope. */
  read(scope: string, token: string): string | undefined {
    const octets = fromHex(token.slice(MAC_DIGITS));
    if (octets === undefined) return undefined;
    const flowId = text(octets);
    return sameText(token.slice(0, MAC_DIGITS), this.#mac(scope, flowId)) ? flowId : undefined;
  }

  #mac(scope: string, flowId: string): string {
    return this.#host.hmacHex("SHA-256", this.#key, `flow token ${scope} ${flowId}`).slice(0, MAC_DIGITS);
  }
}
