import type { Deadlines } from "#base/deadlines.ts";
import type { BrowserHost } from "#host/host.ts";
import type { ClientTransaction } from "./client-transactions.ts";
import type { SipCounters } from "./counters.ts";
import type { TransactionUser } from "./engine/ports.ts";
import type { TransactionTimers } from "./engine/timers.ts";
import type { ServerTransaction } from "./server-transactions.ts";
import type { Link } from "./transport/transport.ts";
import type { SipMessage } from "./wire/message.ts";

/** What both sides of a driver's transactions share. */
export interface TransactionContext {
  readonly host: BrowserHost;
  readonly timers: TransactionTimers;
  /** Of each side, at once. */
  readonly maxTransactions: number;
  readonly user: TransactionUser;
  readonly counters: SipCounters;
  /** One wheel for all. */
  readonly deadlines: Deadlines<ClientTransaction | ServerTransaction>;
  /** Sends and counts; `false` = the flow is gone. */
  readonly send: (link: Link, bytes: Uint8Array) => boolean;
  /** The link of a flow by its id; `undefined` where it is gone. */
  readonly linkNamed: (flowId: string) => Link | undefined;
  /** Calls the user. A throw is caught, counted and logged with the Call-ID of `about`; `false` = it threw. */
  readonly tell: (about: SipMessage | undefined, call: () => void) => boolean;
}
