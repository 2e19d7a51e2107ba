/**
 * Every named limit of the project (DESIGN §10): queues, caches, sizes, counts. Each says its unit and range, and a test
 * stands at it. One section an area, in the order of the house.
 */
export const LIMITS = {
  // host
  /** Octets queued on one stream before it is closed. 64 KiB..16 MiB. */
  streamQueuedBytes: 1024 * 1024,
  /** Without an answer for so long a connection attempt fails. ms, 1,000..60,000. */
  connectMs: 10_000,
  /** A stream or message connection that was closed and is still not gone is dropped. ms, 500..60,000. */
  lingerMs: 5_000,
  /** A larger message closes a message connection that this side opened. Octets, 64 KiB..64 MiB. */
  clientMessageBytes: 4 * 1024 * 1024,
  /** A message connection that has not answered the last ping by then is dropped. ms, 5,000..300,000. */
  pingEveryMs: 30_000,
  /** Asked of the kernel for what a datagram socket has received; it may grant less. Octets, 64 KiB..64 MiB. */
  datagramBufferBytes: 4 * 1024 * 1024,
  /** A log record that claims to be longer is a torn one. Octets, 64 KiB..1 GiB. */
  logRecordBytes: 64 * 1024 * 1024,
  /** What a crash may have torn off the end of a log; where more cannot be read, it is damaged. Octets, 64 KiB..64 MiB. */
  logTornBytes: 1024 * 1024,
  /** A log whose disk has no room is tried again this often. ms, 100..60,000. */
  logRetryMs: 1_000,
  /** What such a log holds in memory meanwhile; more ends its process. Octets, 1 MiB..1 GiB. */
  logWaitingBytes: 64 * 1024 * 1024,
  /** A log that is rewritten takes so many octets of records at a turn, or one record. 16 KiB..16 MiB. */
  logSliceBytes: 256 * 1024,
  // sip
  /** A longer SIP message is answered 513 where it can be. Octets, 8 KiB..64 KiB. */
  sipMessageBytes: 64 * 1024,
  /** A longer WebSocket message closes its connection with 1009. Octets, sipMessageBytes..1 MiB. */
  sipFrameBytes: 256 * 1024,
  /** A longer request goes over TCP, where the next hop has it, instead of UDP (RFC 3261 §18.1.1). Octets, 500..64 KiB. */
  sipUdpRequestBytes: 1_300,
  /**
   * A home DS that has not answered a REGISTER by then is done without: the DS that has it registers the user itself. Less
   * than the 1.5 s after which our own clients go to the next DS (PROTOCOL §9). ms, 500..1,400.
   */
  homeAnswerMs: 1_000,
  /** Connections of one TCP or TLS transport; one more is closed at once, or not opened. 10..100,000. */
  sipStreams: 20_000,
  /** A connection that has not brought its first message, or the rest of one, by then is closed. ms, 1,000..60,000. */
  sipStreamPartMs: 32_000,
  /** One on which nothing passed for so long is closed; 64*T1 at least (RFC 3261 §18). ms, 32,000..86,400,000. */
  sipStreamIdleMs: 7_200_000,
  /** A client asks every so often, at most, whether its connection still stands (RFC 5626 §4.4.1), ms, 15,000..840,000. */
  sipPingMs: 120_000,
  /** Without an answer to that by then it does not. ms, 1,000..30,000. */
  sipPongMs: 10_000,
  /** Header fields of one message. 64..1,024. */
  sipHeaderFields: 256,
  /** One header field, folded lines together. Characters, 1 KiB..32 KiB. */
  sipHeaderChars: 16 * 1024,
  /** A longer Request-URI is answered 414. Characters, 256..8 KiB. */
  sipUriChars: 2_048,
  /**
   * Transactions of each side at once, about 2 kB each. Of those that are over but for their answer (RFC 3261 §17.2.2), about
   * 600 octets each, three count as one. A request above is answered by a stateless 503 (PROTOCOL §17), one of ours fails as
   * if its transport did. 1,000..1,000,000.
   */
  sipTransactions: 200_000,
  /** Digest nonces whose counts one server remembers; about 200 octets each. 1,000..1,000,000. */
  sipNonces: 16_384,
  /** How often one request is sent again with other credentials before its 401 or 407 is final. 1..10. */
  sipDigestRepeats: 3,
  /** Calls at once in one server or client; an INVITE above is refused with 503 or 486. 1..1,000,000. */
  sipCalls: 50_000,
  /** Dialogs that one INVITE may make by forking; answers of further ones are dropped. 1..100. */
  sipForks: 16,
  /** Places that one request may be sent to at once, over all proxies that it meets (RFC 5393 §5.3.3). 1..60. */
  sipMaxBreadth: 60,
  /** Clients behind a NAT that one server keeps reachable; further ones must do so themselves. 1,000..1,000,000. */
  sipNatClients: 50_000,
  /** A session that is not refreshed for so long ends (RFC 4028); the other side may ask for less. s, sessionMinSec..86,400. */
  sessionExpiresSec: 300,
  /** The shortest session interval (RFC 4028 §4: never below 90). s, 90..3,600. */
  sessionMinSec: 90,
  /** A longer Min-SE in a 422 is not followed: the call fails. s, sessionExpiresSec..86,400. */
  sessionMaxMinSec: 3_600,
  /** Contacts of one address-of-record; a REGISTER for more is answered 403. 1..100. */
  sipContacts: 10,
  /** A client that registers follows no Min-Expires above this. s, 3,600..604,800. */
  sipMinExpiresSec: 86_400,
  /** A client that registers waits no longer than this, whatever Retry-After says. s, 1,800..86,400. */
  sipRetryAfterSec: 3_600,
  /** Lines of one session description. 64..4,096. */
  sdpLines: 512,
  // cops
  /** Octets of one COPS message, header included: a longer one is refused by its header. 1 KiB..1 MiB. */
  copsMessageBytes: 64 * 1024,
  /** Octets of a client handle (RFC 2748 §2.2.1 names no bound). 4..1,024. */
  copsHandleBytes: 64,
  /** Octets of one attribute of text in ClientSI or Decision data. 64..4,096. */
  copsAttributeBytes: 256,
  /** Requests of a PEP that wait for CAT. 16..65,536. */
  copsWaitingRequests: 1024,
  /** Request states of one PEP connection in a PDP: a REQ for one more is answered by an Error. 1..1,000,000. */
  copsStatesPerConnection: 65_536,
  /** PEP connections of a PDP: one more is closed at once. 1..65,536. */
  copsPepConnections: 1024,
  /** Ms that a connection may be without any open client-type: connecting, OPN and CAT included. 1,000..60,000. */
  copsOpenMs: 5_000,
  // overlay
  /** Octets of one frame; a carrier must take them. 64 KiB..16 MiB. */
  overlayFrameBytes: 4 * 1024 * 1024,
  /** Members that are remembered; hellos of further ones are dropped. 10..10,000. */
  overlayMembers: 1_000,
  /** A member's id: characters. 16..128. */
  overlayMemberIdChars: 64,
  /** Octets that wait for a process that does not read its channel; frames above are lost. overlayFrameBytes..256 MiB. */
  channelQueuedBytes: 16 * 1024 * 1024,
  /** Octets that a NATS server has not confirmed; frames above are lost. overlayFrameBytes..256 MiB. */
  natsQueuedBytes: 16 * 1024 * 1024,
  /** A frame goes over NATS in parts of so many octets, or of what the server takes if that is less. 4 KiB..1 MiB. */
  natsPartBytes: 256 * 1024,
  /** Octets of frames that have not come whole over NATS; above, the oldest are lost. overlayFrameBytes..256 MiB. */
  natsPartialBytes: 32 * 1024 * 1024,
  /** Requests that wait for their answer at one member; further ones time out at once. 100..1,000,000. */
  overlayRequests: 10_000,
  /** Messages of one member that are remembered, so that none is handed up twice. 64..65,536. */
  overlayRecentMessages: 1_024,
  /** Keys of one table, marks included. Above, rows of others are dropped; own rows never are. 1,000..10,000,000. */
  overlayTableRows: 2_000_000,
  /** What one member wrote in one life for one audience, each, of one table; those of which nothing is left go first. 64..65,535. */
  overlayStreams: 4_096,
  /** Octets of a row's key, and of its value in JSON. 64..4,096; 1 KiB..512 KiB. */
  overlayKeyBytes: 1_024,
  overlayValueBytes: 64 * 1024,
  /** A row's term above this is absurd, and so is the frame that bears it. 1,000..4,294,967,295. */
  overlayTerm: 1_000_000,
  /** The longest life of a row; one that claims more is cut. s, 3,600..2,000,000. */
  overlayLifetimeSec: 604_800,
  /**
   * A mark outlives the row whose place it took by so long: a wall clock that goes back by more while its member restarts
   * may bring a removed row back. ms, 0..86,400,000.
   */
  overlayMarkMs: 600_000,
  /** Octets of rows in one piece; a single row may be larger. 4 KiB..1 MiB. */
  overlayPieceBytes: 256 * 1024,
  /** An answer waits no longer than this for its row to be at one other member (DESIGN §5). ms, 10..1,000. */
  overlayCopyMs: 100,
  /** A row that no other member has confirmed by then is sent once more. ms, 5..overlayCopyMs. */
  overlayResendMs: 40,
  /** Octets that a log may have, besides twice what the tables hold, before it is rewritten. 1 MiB..1 GiB. */
  overlayLogSlackBytes: 32 * 1024 * 1024,
  // media
  /** TS packets in one RTP packet: what fits an Ethernet frame (7 x 188 = 1,316 octets). 1..7. */
  rtpTsPackets: 7,
  /** RTP packets held back for one that is missing; a power of two. 8..256. */
  reorderPackets: 64,
  /** How long they wait for it. ms, 10..500. */
  reorderWaitMs: 60,
  /** What a stream keeps since its last key frame: octets and ms. Past either it keeps nothing until the next. 64 KiB..16 MiB; 1,000..60,000. */
  gopCacheBytes: 2 * 1024 * 1024,
  gopCacheMs: 10_000,
  /** A recording keeps back what may be cut off, a PES packet's 64 KiB and what stands between its parts. Octets, 64 KiB..4 MiB. */
  cleanEndBytes: 256 * 1024,
  /** Octets queued at a WebSocket beyond the opening burst before it is skipped to the next key frame. 32 KiB..4 MiB. */
  slowSinkBytes: 256 * 1024,
  /** How long a token of a WebSocket is good, and a viewer may be without one (PROTOCOL §3, §12). ms, 1,000..60,000. */
  mediaTokenMs: 10_000,
  mediaGoneMs: 10_000,
  /** A viewer with a stream of his own may show by a packet within this time that he is at another port (PROTOCOL §13). ms, 1,000..60,000. */
  unicastLatchMs: 5_000,
  /** So many sends in a row that came back, over so long, and he is gone; longer between two, and a new row begins. 2..100; ms, 1,000..60,000 each. */
  unicastRefusals: 3,
  unicastRefusedMs: 1_000,
  unicastRefusalGapMs: 3_000,
  /** Without RTCP for so long, after there was some, he is gone too: five intervals at least (RFC 3550 §6.2.1). ms, 30,000..300,000. */
  rtcpSilentMs: 30_000,
  /** How far apart a viewer's own reports are on average (RFC 3550 §6.2). ms, 5,000..30,000. */
  rtcpEveryMs: 5_000,
  /** Without a packet for so long the broadcaster of an ingest is taken to be gone. ms, 2,000..60,000. */
  ingestSilentMs: 10_000,
  /** The same before its first packet: a broadcaster may ring so long before he sends (PROTOCOL §5). ms, 10,000..300,000. */
  ingestAwaitedMs: 45_000,
  /** A viewer's WebSocket has nothing to say: a larger message closes it. Octets, 1..65,536. */
  mediaMessageBytes: 1_024,
  /** Pairs of ports that a viewer tries for a stream of his own. 1..100. */
  rtpPortTries: 10,
  /** A clip to broadcast is held in memory. Octets, 1 MiB..1 GiB. */
  clipBytes: 256 * 1024 * 1024,
  /** A live source's TS packets wait at most so long for more of them to leave together. ms, 1..100. */
  liveSourceWaitMs: 20,
  /** A looped source sends at most so many packets at once, and when it is later than that lets the time go. 1..1,024; ms, 50..5,000. */
  senderBurstPackets: 64,
  senderLateMs: 500,
  // broker, edge
  /** Edges of one topology, each with a /24 of groups within 232/8. 1..65,534. */
  brokerEdges: 65_534,
  /** An edge that is not connected is counted at what it last held for so long. ms, 60,000..3,600,000. */
  edgeAbsenceMs: 300_000,
  /** What an edge that is back does not ask for again within this time is released. ms, 1,000..60,000. */
  readoptMs: 10_000,
  /** A broker that is asked for what an edge holds is answered after this time though not every DS has told. ms, 1,000..10,000. */
  edgeCensusMs: 5_000,
  /** A broker that started promises nothing on core links until every edge has told what it holds, or so long. ms, 5,000..60,000. */
  brokerSettleMs: 15_000,
  /** What a DS held is kept for so long after its connection ended, for another to adopt (PROTOCOL §7). ms, 10,000..600,000. */
  orphanHoldMs: 60_000,
  /** How far apart an edge looks at who has joined its groups, while it has viewers by multicast. ms, 1,000..30,000. */
  memberLookMs: 5_000,
  /** Without a member behind his port for so long a viewer by multicast is gone (PROTOCOL §12). ms, 10,000..300,000. */
  memberAbsentMs: 30_000,
  // tv
  /** Renditions of one channel [B8]; further m= lines of a broadcaster's offer are answered with port 0. 1..9. */
  renditions: 3,
  /** Without a decision for so long a reservation is given up: DRQ, 504 (PROTOCOL §4). ms, 500..10,000. */
  edgeSilenceMs: 2_000,
  /** A DS that stops hangs up first, and waits for the answers no longer than this. ms, 0..10,000. */
  dsGoodbyeMs: 2_000,
  /** Requests that a DS keeps while it reads which dialogs there are; further ones get 503. 100..100,000. */
  dsEarlyRequests: 10_000,
  /** Calls to channels at one DS, being set up or running; further ones get 503. 100..100,000. */
  dsCalls: 20_000,
  /** A broadcaster who has not answered for a viewer by then is given up: CANCEL, 480 (PROTOCOL §5). ms, 5,000..120,000. */
  broadcasterAnswerMs: 30_000,
  /** A broadcaster's 200 waits so long for the viewer's ACK before its own (PROTOCOL §5). ms, 100..10,000. */
  ingestAckMs: 2_000,
  /** The row of a channel that its broadcaster has just agreed to may be so much later than his answer: then 504. ms, 500..30,000. */
  onAirRowMs: 5_000,
  /** A broadcaster on air whose channel is wanted by another device of his, and who does not answer by then, is off. ms, 500..10,000. */
  liveAnswerMs: 1_000,
  /** An `ask` channel stays on air for so long after its last viewer left (PROTOCOL §5). ms, 0..600,000. */
  emptyChannelMs: 10_000,
  // store, registration, http
  /** Players on /live at one web server; further ones get 503. 1..100,000. */
  liveStreams: 1_000,
  /** Octets of a stream that one /live player has not read yet: more, and it is let go. 256 KiB..64 MiB. */
  liveQueuedBytes: 4 * 1024 * 1024,
  /** A database that could not be read or written is tried again after this. ms, 100..600,000. */
  storeProbeMs: 5_000,
  /** Failed sign-ins of one user in `signInWindowMs`; more are refused unread. 3..100. */
  signInFailuresPerUser: 10,
  /** Failed sign-ins from one address in that time. 10..10,000. */
  signInFailuresPerAddress: 100,
  /** How long a failed sign-in counts, ms. 1 minute..1 day. */
  signInWindowMs: 15 * 60_000,
  /** Users and addresses whose failures are remembered, each; the oldest are forgotten first. 100..1,000,000. */
  signInSources: 10_000,
  /** Passwords hashed at the same time, each taking 19 MiB; more are refused. 1..64. */
  passwordHashesAtOnce: 16,
  /** Sessions of one user; the one that expires first goes. 1..1,000. */
  sessionsPerUser: 20,
  /** Device secrets of one user. 1..100. */
  deviceSecretsPerUser: 10,
  /** Channels of one user. 1..1,000. */
  channelsPerUser: 10,
  /** Subscribers in one piece of a DS's catch-up. 1..5,000. */
  catchUpSubscribers: 500,
  /** Octets of a request's body to the page's API; more is answered with 413. 4 KiB..1 MiB. */
  httpBodyBytes: 16 * 1024,
  /** Open TCP connections of one web server; further ones are closed at once. 100..100,000. */
  httpConnections: 10_000,
  /** Of them, those of one address, or of one IPv6 /64; a reverse proxy is one address. 100..httpConnections. */
  httpConnectionsPerAddress: 2_000,
  /** A request whose head is not there by then, the connection's first included, is closed. ms, 1,000..httpRequestMs. */
  httpHeadMs: 5_000,
  /** The same of a whole request. ms, httpHeadMs..60,000. */
  httpRequestMs: 10_000,
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
  // trace
  /** Events that a ladder keeps at least; of twice as many the older half is dropped. 1,000..1,000,000. */
  ladderEvents: 20_000,
  /** Streams, media flows, addresses and tokens that a ladder remembers. 1,000..1,000,000. */
  ladderFlows: 10_000,
  /** Streams that a capture follows, each way counted; the oldest is forgotten first. 1,000..1,000,000. */
  captureStreams: 10_000,
  /** What may be asked for as a rate, in a command or a URL. kbit/s, 1..1,000; 1,000..1,000,000. */
  wishLeastKbps: 64,
  wishMostKbps: 20_000,
  // app
  /** A live source that has brought so much, and no transport stream, is none. Octets, 16 KiB..16 MiB. */
  liveSourceSyncBytes: 256 * 1024,
  /** A child process that ended is started again so much later: the least at first, twice as much each time. ms, 100..60,000. */
  processRestartLeastMs: 500,
  processRestartMostMs: 10_000,
  /** Who asks on the control socket at the same time; further ones are let go at once. 1..100. */
  controlConnections: 16,
  /** A longer question there ends its connection. Characters, 1 KiB..1 MiB. */
  controlQuestionChars: 64 * 1024,
} as const;
