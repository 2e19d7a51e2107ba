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
  // store, registration, http
} as const;
