import type { Address } from "./host.ts";

/** One datagram, stream chunk or message that passed a host's edge. */
export interface TapEvent {
  /** On the tapped host's clock. */
  readonly atMs: number;
  /** Name of the tapped machine. */
  readonly node: string;
  readonly kind: "datagram" | "stream" | "message";
  readonly direction: "in" | "out";
  /** Port 0 where the host does not tell it: a message connection's client end. */
  readonly local: Address;
  readonly remote: Address;
  /** Text messages as UTF-8. The receiver's only until it returns. */
  readonly bytes: Uint8Array;
  /** Known in the simulator alone: it will not arrive. */
  readonly lost?: boolean;
}
