export { SipCounters } from "./counters.ts";
export { SipDriver, type SipDriverConfig } from "./driver.ts";
export type * from "./engine/ports.ts";
export { DEFAULT_TIMERS, type TransactionTimers } from "./engine/timers.ts";
export type { Link, Receiver, SentBy, Transport } from "./transport/transport.ts";
export { type UdpOptions, UdpTransport } from "./transport/udp.ts";
export { type WsConnectOptions, WsTransport } from "./transport/ws.ts";
export { WsListener, type WsListenOptions, type WsPeer } from "./transport/ws-listener.ts";
export * from "./wire/index.ts";
