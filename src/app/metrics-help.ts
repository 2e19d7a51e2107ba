/** What each counter counts, in the words of `/metrics`: a counter that is added needs its line here. */
import type { CopsCounters } from "#cops/index.ts";
import type { HostCounters } from "#host/node/index.ts";
import type { NatsCarrier } from "#overlay/carriers/nats.ts";
import type { ChannelHub, OverlayNode } from "#overlay/index.ts";
import type { Registration } from "#registration/index.ts";
import type { RegisterRelay, SipCounters, SipProxy } from "#sip/index.ts";
import type { DsServer } from "#tv/index.ts";

export type NatsCounters = NatsCarrier["counters"] & NatsCarrier["assembler"]["counters"];
type Help<Counters> = Readonly<Record<keyof Counters & string, string>>;

export const SIP_HELP: Help<SipCounters> = {
  messagesIn: "SIP messages received.",
  messagesOut: "SIP messages sent.",
  keepAlives: "CRLFs and empty datagrams received (RFC 5626 §3.5.1).",
  garbage: "Octets that were no SIP message: dropped.",
  malformed: "Malformed SIP requests: answered where a Via told whither.",
  shed: "SIP requests answered 503 without a transaction.",
  refusals: "SIP requests refused or challenged, and forgotten at once (RFC 3261 §8.2.7).",
  strays: "SIP responses to no transaction: dropped.",
  retransmissionsIn: "Copies of SIP messages that a transaction absorbed.",
  retransmissionsOut: "SIP messages sent again.",
  lateAnswers: "Answers of our own that came after their transaction's end: dropped.",
  abandoned: "SIP requests that were never answered in time, and final responses that no ACK came for.",
  unsent: "SIP messages for flows that are gone.",
  failures: "SIP client transactions that ended in silence or with their flow.",
  faults: "Faults of our own, each of which ended one SIP transaction.",
};

export const PROXY_HELP: Help<SipProxy["counters"]> = {
  forwarded: "SIP requests between people sent on, each copy of a fork.",
  loops: "SIP requests that came back to where they had been: answered 482.",
  forged: "SIP requests with a Route that no server of the operator wrote: answered 403.",
  flowsGone: "SIP requests for connections that are gone: answered 430.",
  droppedAcks: "ACKs that could not be sent on.",
};

export const REGISTER_HELP: Help<RegisterRelay["counters"]> = {
  sentHome: "REGISTERs sent to the user's home DS.",
  homeSilent: "REGISTERs served in place of a home DS that did not answer.",
};

export const STRANGER_HELP: Help<DsServer["dropped"]> = {
  foreignFrom: "SIP requests refused because a user spoke in another's name.",
  strangers: "SIP requests to people refused because they came from strangers.",
};

export const COPS_HELP: Help<CopsCounters> = {
  received: "COPS messages received.",
  sent: "COPS messages sent.",
  badMessages: "COPS messages that broke a rule.",
  ignoredAttributes: "Attributes, columns and classes that are not known.",
  unknownHandles: "COPS messages that name no request state.",
  overLimit: "COPS requests and connections above a limit.",
  lost: "COPS connections lost.",
  userFaults: "Faults of our own, each of which ended one COPS connection.",
};

export const OVERLAY_HELP: Help<OverlayNode["counters"] & { lateAnswers: number; timeouts: number }> = {
  badFrames: "Overlay frames that could not be read.",
  strangers: "Overlay frames of members whose hello had not come.",
  outlived: "Hellos of a member's earlier life.",
  repeated: "Overlay messages that came twice.",
  unhandled: "Overlay messages of a topic that nobody handles.",
  tooManyMembers: "Hellos dropped for want of room.",
  twins: "Overlay frames of another member of the same name.",
  lateAnswers: "Overlay answers that nobody waited for any more.",
  timeouts: "Overlay requests that were not answered in time.",
};

export const REPLICATION_HELP: Help<OverlayNode["replication"]["counters"]> = {
  badRows: "Pieces of rows that could not be read.",
  unreplicated: "Promises that left before another member had a copy.",
  resent: "Pieces of rows sent again, as no copy was confirmed.",
  droppedRows: "Rows of others that a full table dropped.",
};

export const CHANNEL_HELP: Help<ChannelHub["counters"]> = {
  dropped: "Overlay frames between processes of this machine dropped, as the other one did not read.",
  badMessages: "Messages between processes of this machine that were none.",
};

export const NATS_HELP: Help<NatsCounters> = {
  disconnects: "Connections to NATS servers that were lost.",
  dropped: "Overlay frames for other machines dropped, for want of a NATS server or as it did not take them.",
  badParts: "Messages of NATS that were no part of an overlay frame.",
  incomplete: "Overlay frames of other machines of which parts were lost.",
};

export const REGISTRATION_HELP: Help<Registration["counters"]> = {
  signUps: "Accounts made.",
  signIns: "Sign-ins.",
  wrongPasswords: "Sign-ins refused for a wrong name or password.",
  tooManyFailures: "Sign-ins refused unread after too many failures.",
  storeFailures: "Requests and trials that the database could not serve.",
  busy: "Sign-ups and sign-ins refused because too many passwords were being hashed.",
};

export const HOST_HELP: Help<HostCounters> = {
  datagramsNotSent: "Datagrams that the system did not send.",
  connectionsOverQueueLimit: "Connections closed because their peer did not read.",
  tlsHandshakesFailed: "TLS handshakes that failed.",
  tornLogBytes: "Octets of logs that could not be read and were cut off.",
  damagedLogs: "Logs with whole records behind a damaged one.",
  logStalls: "How often a log could not be written for want of room on its disk.",
  logRewritesGivenUp: "Rewrites of logs that were given up for want of room on their disk.",
};
