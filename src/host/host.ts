/**
 * The one seam to the machine (DESIGN §4). Everything above it is the same code on real sockets (`host/node`), in a page
 * (`host/browser`: clock, timers, randomness, digests and outgoing messages) and in the simulator (`sim`).
 *
 * No `Promise` stands in a packet's way: what happens is told through handlers, and no handler is called before the
 * method that takes it has returned.
 */

/** A numeric address (IPv4 dotted or IPv6 without brackets) and a port. */
export interface Address {
  readonly host: string;
  readonly port: number; // 0..65535; 0 = let the host choose
}

export const showAddress = (at: Address): string => (at.host.includes(":") ? `[${at.host}]:${at.port}` : `${at.host}:${at.port}`);

export type DigestAlgorithm = "MD5" | "SHA-256";

export interface Timer {
  /** Does nothing once fired. */
  cancel(): void;
}

/** Clock, timers, randomness, digests: what every host has. */
export interface Clock {
  /** Monotonic, ms, from an arbitrary start. */
  nowMs(): number;
  /** For people and certificates: ms since 1970. May jump. */
  wallMs(): number;
  /** Calls `fire` once, at or after `atMs` of `nowMs()`; at once (but not before returning) when that has passed. */
  timer(atMs: number, fire: () => void): Timer;
}
export interface Entropy {
  /** That many random octets, fit for secrets on real hosts, from the seed in the simulator. */
  random(octets: number): Uint8Array;
  digest(algorithm: DigestAlgorithm, bytes: Uint8Array): Uint8Array;
  hmac(algorithm: DigestAlgorithm, key: Uint8Array, bytes: Uint8Array): Uint8Array;
  /** The same of a text (UTF-8), in hex: what SIP asks for several times a message, and a machine can do in one go. */
  digestHex(algorithm: DigestAlgorithm, text: string): string;
  hmacHex(algorithm: DigestAlgorithm, key: Uint8Array, text: string): string;
}

export interface DatagramBind extends Address {
  /** Local address of the interface used to send and join multicast; default `host`. */
  readonly multicastInterface?: string;
  /** Several sockets may bind the same group and port (SO_REUSEADDR). Default false. */
  readonly shared?: boolean;
  /** Hops for multicast; default 16. */
  readonly multicastTtl?: number;
}
export interface DatagramHandlers {
  bound?(at: Address): void;
  /** The octets are the receiver's only until it returns: copy what is kept. */
  datagram(bytes: Uint8Array, from: Address): void;
  /** Of a connected socket: something it sent came back, nobody listens there (ICMP, RFC 1122 §4.1.3.3). Not told for each. */
  unreachable?(): void;
  /** Bind failed, or the socket broke: it is closed. */
  failed(error: Error): void;
}
export interface DatagramPort {
  /** Takes the octets at once: the caller may reuse the buffer. Send errors are counted, not told. */
  send(bytes: Uint8Array, to: Address): void;
  /** Source-specific with `source` (RFC 4607), any-source without. Throws when the machine refuses. */
  join(group: string, source?: string): void;
  leave(group: string, source?: string): void;
  /** Once, when bound: from now on all that is sent goes there, only what comes from there is heard. */
  connect(to: Address): void;
  close(): void;
}

/** TLS of who listens (RFC 8446, RFC 5246): PEM texts. What cannot be read throws. */
export interface TlsServer {
  readonly cert: string; // own certificate first, then those between it and the authority
  readonly key: string;
  /** Peers are asked for a certificate of this authority: `peerNames` tells whose it is. Who has none is taken all the same. */
  readonly ca?: string;
}
/** TLS of who connects. The attempt fails where the peer's certificate is not in order, or another's. */
export interface TlsClient {
  /** Whom the certificate is to name; sent ahead unless it is an address (RFC 6066 §3). */
  readonly serverName: string;
  /** Authorities that are trusted, PEM. Default: the machine's. */
  readonly ca?: string;
  /** Shown where the peer asks. */
  readonly cert?: string;
  readonly key?: string;
  /** Whether these names are enough; default: `serverName` is among them by the rules of HTTP (RFC 9110 §4.3.4). */
  readonly accepts?: (names: CertificateNames) => boolean;
}
/** Alternative names of a certificate, with their types: "DNS:ds1.example", "URI:sip:example" (RFC 5280 §4.2.1.6). */
export type CertificateNames = readonly string[];

export interface StreamHandlers {
  /** Outgoing streams only: connected. */
  opened?(stream: StreamPort): void;
  data(bytes: Uint8Array): void;
  /** The stream is gone, however it ended: told once, last. */
  closed(error?: Error): void;
}
export interface StreamOptions {
  /** A queue of unsent octets over this closes the stream. Default 1 MiB. */
  readonly maxQueuedBytes?: number;
}
export interface StreamListenOptions extends StreamOptions {
  readonly tls?: TlsServer;
}
export interface StreamConnectOptions extends StreamOptions {
  readonly tls?: TlsClient;
}
export interface StreamPort {
  readonly local: Address;
  readonly remote: Address;
  /** Whom the peer's certificate names; absent where it showed none that a trusted authority signed. */
  readonly peerNames?: CertificateNames;
  /** Takes the octets at once, as does a message port: the caller may reuse the buffer. */
  send(bytes: Uint8Array): void;
  /** Sends what is queued, then closes. */
  close(): void;
}
export interface Listener {
  close(): void;
}
export interface ListenHandlers<Peer, Handlers> {
  listening?(at: Address): void;
  accept(peer: Peer): Handlers;
  failed(error: Error): void;
}

/** The opening handshake of a message connection (WebSocket, RFC 6455 §4). Header names are lower case. */
export interface Handshake {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly remote: Address;
}
export interface MessageHandlers {
  opened?(port: MessagePort): void;
  /** One whole message; text arrives as a string, binary as octets. */
  message(data: string | Uint8Array): void;
  closed(error?: Error): void;
}
/** Refuses a handshake with an HTTP status, e.g. 403 for a foreign Origin. */
export interface Refusal {
  readonly refuse: number;
}
export interface MessagePort {
  readonly remote: Address;
  readonly queuedBytes: number;
  send(data: string | Uint8Array): void;
  /** RFC 6455 §7.4 code, default 1000. */
  close(code?: number): void;
}
export interface MessageListenOptions extends StreamOptions {
  /** Sub-protocols spoken; the first that the client offers too is chosen. Empty: none asked for, none given. */
  readonly protocols: readonly string[];
  /** A larger message closes the connection with 1009. Octets. */
  readonly maxMessageBytes: number;
  /** Then clients come with `wss:` URLs. */
  readonly tls?: TlsServer;
}
export interface MessageConnectOptions extends StreamOptions {
  readonly protocols: readonly string[];
  /** Where the host may set them (not in a page): e.g. Cookie, Origin. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Of `wss:` URLs, the same: authorities that are trusted, PEM. Default: the machine's. */
  readonly ca?: string;
}

/** What stood behind a damaged record of a log, and is lost to whoever replays it. */
export interface LogDamage {
  readonly file: string;
  /** Where in the file it begins. */
  readonly atBytes: number;
  readonly lostBytes: number;
  /** A copy of the file as it was found. */
  readonly keptAs: string;
}
/**
 * An append-only file of records (DESIGN §4): length, CRC32C, record. What cannot be read is cut off and counted at `replay`: the
 * end that a crash has torn, or a record that was damaged later and all that follow. Flushes (write and fdatasync) follow one
 * another, so that appends made meanwhile commit as a group. A disk without room keeps them waiting: what was written of them is
 * cut off again, and they are tried anew until there is room. Whatever else a disk does wrong throws a StorageError.
 */
export interface Log {
  /** Queues the record; returns its ticket number, 1 for the first after opening. */
  append(record: Uint8Array): number;
  /** Highest ticket number that is on the disk. */
  readonly durableTicket: number;
  /** Called after each flush with the new `durableTicket`; one handler a log. */
  onDurable(handler: (ticket: number) => void): void;
  /** Told why nothing is written any more, once, and `undefined` once it is again; one handler a log. */
  onStall(handler: (cause: string | undefined) => void): void;
  /**
   * Every whole record, oldest first, then `done` with the octets that were cut off, and what is known of them where they were
   * not torn by a crash. To be called once, before the first `append`.
   */
  replay(record: (bytes: Uint8Array) => void, done: (tornBytes: number, damage?: LogDamage) => void): void;
  /**
   * Replaces the whole file, atomically, with these records; what was appended since this call goes after them. They are taken a
   * slice at a turn, the first on a later one: what changes meanwhile may be among them as it was or as it is, as long as it is
   * appended too. Another rewrite takes the place of one that is not done; one that finds no room is given up, and the file stays.
   */
  rewrite(records: Iterable<Uint8Array>): void;
  close(): void;
}

/** What a page has. */
export interface BrowserHost extends Clock, Entropy {
  connectMessages(url: string, options: MessageConnectOptions, handlers: MessageHandlers): void;
}

/** What a server has. */
export interface Host extends BrowserHost {
  datagram(bind: DatagramBind, handlers: DatagramHandlers): DatagramPort;
  listen(bind: Address, options: StreamListenOptions, handlers: ListenHandlers<StreamPort, StreamHandlers>): Listener;
  connect(to: Address, options: StreamConnectOptions, handlers: StreamHandlers): void;
  listenMessages(
    bind: Address,
    options: MessageListenOptions,
    handlers: ListenHandlers<Handshake, MessageHandlers | Refusal>,
  ): Listener;
  log(name: string): Log;
}
