/** A peer's octets broke a rule. Expected in service: count it, answer it, carry on (STYLE, "Errors"). */
export class WireError extends Error {
  override readonly name = "WireError";
  readonly code: "truncated" | "bad-length" | "bad-value" | "too-deep" | "too-large";
  /** From the start of the datagram or frame. */
  readonly offsetBytes: number;
  constructor(code: WireError["code"], offsetBytes: number, message: string) {
    super(`${message} (byte ${offsetBytes})`);
    this.code = code;
    this.offsetBytes = offsetBytes;
  }
}

/**
 * What a service keeps on its disk fails it. The message is for the operator and names the file. `unusable`: nothing gets better
 * until somebody mends it; `failed`: the disk did not do what it was told.
 */
export class StorageError extends Error {
  override readonly name = "StorageError";
  readonly code: "unusable" | "failed";
  constructor(code: StorageError["code"], message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** What every decoder of this project answers. A decoder never throws for what a peer sent. */
export type Decoded<T> =
  | { readonly status: "ok"; readonly value: T; readonly usedBytes: number }
  | { readonly status: "need-more"; readonly atLeastBytes: number } // streams only
  | { readonly status: "bad"; readonly error: WireError };
