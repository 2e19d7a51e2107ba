/** Channels and who watches them. */
import type { Attributes } from "#cops/engine/types.ts";
import type { DialogRow } from "#sip/engine/dialog-row.ts";

/** What registration knows of a channel and pushes to every DS. */
export type ChannelRecord = {
  readonly name: string;
  readonly owner: string;
  readonly title: string;
  /** `open`: the viewer's own DS answers. `ask`: the broadcaster is asked for each viewer (PROTOCOL §5). */
  readonly mode: "open" | "ask";
  /** Wanted channel rate at sign-up, kbit/s. */
  readonly kbps: number;
};

/** What a DS needs to serve a user: registration pushes it to every DS (DESIGN §6). */
export type SubscriberRecord = {
  readonly user: string;
  /** Member id of his DS: there his data has the highest priority [B2]. */
  readonly home: string;
  /** Access rate as stored at sign-up, kbit/s; 0 = not limited. */
  readonly accessKbps: number;
  /** One for each device secret: H(user:realm:secret) (RFC 7616 §3.4.2), in hex. */
  readonly ha1: readonly { readonly id: string; readonly md5: string; readonly sha256: string }[];
};

/** A row of the table "channels": a channel on air. Key: name. Owner: the DS of the broadcaster. */
export type OnAir = {
  readonly name: string;
  readonly title: string;
  readonly owner: string;
  readonly site: string;
  /** Edge where its streams enter, its member id. */
  readonly edge: string;
  /** One to three, the highest rate first. */
  readonly renditions: readonly [Rendition, ...Rendition[]];
  readonly sinceWallMs: number;
};

/** The same picture at one rate: a stream of its own from the broadcaster to whoever takes it [B8]. */
export type Rendition = {
  /** Its name at edges and broker: "news", "news~2" or "news~3". */
  readonly stream: string;
  readonly kbps: number;
  /** "ip:port" and the only source of the source edge's group. */
  readonly group: string;
  readonly source: string;
};

/**
 * A row of the table "sessions": one dialog that a DS has for a channel, with all that it takes to go on with it
 * (PROTOCOL §10). Owner: the DS that answered its last request. Key: the session's own name, for others than viewers with
 * the role behind it.
 */
export type Session = SessionName & {
  readonly role: SessionRole;
  /** What the edge has granted: the viewer's share, at either side, or each rendition of the broadcaster. */
  readonly reserved: readonly Reserved[];
  /** Of a viewer whom the broadcaster let in. */
  readonly isSeated?: true;
  readonly dialog: DialogRow;
};
export type SessionName = {
  /** The session's own name, and that of what is reserved for it (PROTOCOL §7). */
  readonly joinId: string;
  readonly user: string;
  readonly channel: string;
};
/**
 * Who is at the far end: a viewer or a broadcaster who called. Of `ask` channels: the DS of the broadcaster (`seat`) or of a
 * viewer (`guest`), and a broadcaster who was called, for the stream itself (`ingest`) or for one viewer more (`summons`).
 */
export type SessionRole = "viewer" | "broadcaster" | "seat" | "guest" | "ingest" | "summons";
export type Reserved = { readonly request: Attributes; readonly grant: Attributes };
