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
  /** Octets of a request's body to the page's API; more is answered with 413. 4 KiB..1 MiB. */
  httpBodyBytes: 16 * 1024,
  /** Open TCP connections of one web server; further ones are closed at once. 100..100,000. */
  httpConnections: 10_000,
  /** Pages that hear of channel changes at the same time; more get 503 and ask now and then. 10..100,000. */
  eventListeners: 5_000,
  /** Octets that wait for one such page before it is closed. 64 KiB..16 MiB. */
  eventQueuedBytes: 1024 * 1024,
  /** WebSockets that one web server passes on at the same time; more get 503. 10..100,000. */
  proxiedWebSockets: 8_000,
  /** A DS or edge that has not answered a WebSocket handshake by then: 504. ms, 500..10,000. */
  proxyConnectMs: 2_000,
  /** Sign-ups and sign-ins of one address in a minute; more get 429. 5..1,000. */
  passwordTriesPerMinute: 60,
  /** Addresses whose tries are counted; the oldest is forgotten first. 100..1,000,000. */
  passwordTrySources: 10_000,
} as const;
