/** What one PEP or PDP counts: plain fields, read by `/metrics`. */
export interface CopsCounters {
  received: number; // messages
  sent: number;
  /** Messages that broke a rule of RFC 2748 or 3084, and connections that sent what is no message. */
  badMessages: number;
  /** Attributes, columns and classes that are not known. */
  ignoredAttributes: number;
  /** Messages and calls that name no request state; after a DRQ has crossed a DEC that is normal. */
  unknownHandles: number;
  /** Requests over `LIMITS.copsWaitingRequests` or `LIMITS.copsStatesPerConnection`, connections over `LIMITS.copsPepConnections`. */
  overLimit: number;
  /** Connections lost after a client-type was open. */
  lost: number;
  /** Throws of the user's callbacks: each ended its connection. */
  userFaults: number;
}
export const newCounters = (): CopsCounters => ({
  received: 0,
  sent: 0,
  badMessages: 0,
  ignoredAttributes: 0,
  unknownHandles: 0,
  overLimit: 0,
  lost: 0,
  userFaults: 0,
});
