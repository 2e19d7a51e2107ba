export { SipCounters } from "./counters.ts";
export { SipDriver, type SipDriverConfig } from "./driver.ts";
export type * from "./engine/call-types.ts";
export { Calls } from "./engine/calls.ts";
export { Challenger, type ChallengerConfig, type CredentialStore, ha1 } from "./engine/digest.ts";
export { aorOf, type Binding, type BindingRow, type BindingTable, newestFirst, routesTo } from "./engine/location.ts";

export { NatKeeper } from "./engine/nat-keeper.ts";
export { PEER_HEADER, peerClaim, peerOf, registerClaim } from "./engine/peer-claim.ts";

export type * from "./engine/ports.ts";
export { SipProxy } from "./engine/proxy.ts";
export { RegisterRelay } from "./engine/register-relay.ts";
export { type Registered, Registrar, type RegistrarConfig } from "./engine/registrar.ts";
export { type Hop, portOf } from "./engine/routing.ts";
export { DEFAULT_TIMERS, type TransactionTimers } from "./engine/timers.ts";
export * from "./sdp/index.ts";
export { StreamTransport, type StreamTransportOptions } from "./transport/streams.ts";
export type { Link, Receiver, SentBy, Transport } from "./transport/transport.ts";
export { type UdpOptions, UdpTransport } from "./transport/udp.ts";
export { type WsConnectOptions, WsTransport } from "./transport/ws.ts";
export { WsListener, type WsListenOptions, type WsPeer } from "./transport/ws-listener.ts";
export * from "./wire/index.ts";
