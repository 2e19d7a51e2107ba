/** What this host dropped or broke off, since it started. */
export interface HostCounters {
  datagramsNotSent: number;
  connectionsOverQueueLimit: number;
  tornLogBytes: number;
}
export const hostCounters = (): HostCounters => ({ datagramsNotSent: 0, connectionsOverQueueLimit: 0, tornLogBytes: 0 });
