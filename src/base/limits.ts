/**
 * Every named limit of the project (DESIGN §10): queues, caches, sizes, counts. Each says its unit and range, and a test
 * stands at it. One section an area, in the order of the house.
 */
export const LIMITS = {
  // host
  /** Octets queued on one stream before it is closed. 64 KiB..16 MiB. */
  streamQueuedBytes: 1024 * 1024,
  // sip
  // cops
  // overlay
  // media
  // broker, edge
  // tv
  /** Without a decision for so long a reservation is given up: DRQ, 504 (PROTOCOL §4). ms, 500..10,000. */
  edgeSilenceMs: 2_000,
  // store, registration, http
} as const;
