/** What this host dropped or broke off, since it started. */
export interface HostCounters {
  datagramsNotSent: number;
  connectionsOverQueueLimit: number;
  /** Peers that did not get through the TLS handshake of a listener. */
  tlsHandshakesFailed: number;
  tornLogBytes: number;
  /** Logs with whole records behind a damaged one. */
  damagedLogs: number;
  /** How often a log's disk had no room. */
  logStalls: number;
  logRewritesGivenUp: number;
}
export const hostCounters = (): HostCounters => ({
  datagramsNotSent: 0,
  connectionsOverQueueLimit: 0,
  tlsHandshakesFailed: 0,
  tornLogBytes: 0,
  damagedLogs: 0,
  logStalls: 0,
  logRewritesGivenUp: 0,
});
