import { copiedTo, type Json, type Overlay, type Table } from "#overlay/types.ts";
import type { ChannelRecord, OnAir } from "#tv/types.ts";
import type { ApiChannel } from "./api.ts";
import { type Answer, type Registration, refusal } from "./registration.ts";

const NOT_LOADED = refusal(503, "unavailable", "The channel list cannot be reached right now. Please try again in a moment.");

/**
 * The guide [B6]: registration's channels joined with the table of channels on air. Kept in memory, so that it is served
 * while registration is away: fetched when a registration member comes and at each `refresh`, changed by its pushes (a
 * push may be lost; the refresh repairs that).
 */
export class Guide {
  readonly #registration: Registration;
  readonly #domain: string;
  readonly #changed: () => void;
  readonly #onAir: Table<OnAir>;
  #channels: Map<string, ChannelRecord> | undefined;

  /** `changed` is called after every change of what `list` answers. */
  constructor(overlay: Overlay, registration: Registration, domain: string, changed: () => void) {
    this.#registration = registration;
    this.#domain = domain;
    this.#changed = changed;
    this.#onAir = overlay.table<OnAir>("channels", copiedTo("ds", "web"));
    this.#onAir.onChange((_channel, row, before) => {
      if (JSON.stringify(row?.value) !== JSON.stringify(before?.value)) changed(); // not where it was only said again
    });
    overlay.handle("push.channel", (body: Json) => this.learn(body as ChannelRecord));
    overlay.onMembers((member, change) => {
      if (member.role === "registration" && change !== "left") void this.refresh();
    });
  }

  /** Every channel, ordered by name: a channel's place in the list is its number on the remote control. */
  async list(): Promise<Answer<readonly ApiChannel[]>> {
    if (this.#channels === undefined) await this.refresh();
    return this.#channels === undefined ? NOT_LOADED : { ok: true, value: this.#joined(this.#channels) };
  }

  /** What `list` would answer at once; empty while registration has never answered. */
  current(): readonly ApiChannel[] {
    return this.#joined(this.#channels ?? new Map());
  }

  learn(record: ChannelRecord): void {
    this.#channels?.set(record.name, record);
    this.#changed();
  }

  async refresh(): Promise<void> {
    const answer = await this.#registration.ask("registration.channels", {});
    if (!answer.ok) return;
    const fresh = new Map(answer.value.channels.map((record) => [record.name, record]));
    const before = this.#channels;
    this.#channels = fresh;
    if (before === undefined || JSON.stringify([...before]) !== JSON.stringify([...fresh])) this.#changed();
  }

  #joined(records: ReadonlyMap<string, ChannelRecord>): readonly ApiChannel[] {
    const all = new Map<string, ApiChannel>();
    for (const record of records.values()) all.set(record.name, this.#idle(record));
    for (const { value } of this.#onAir.rows()) all.set(value.name, this.#live(value, records.get(value.name)?.mode ?? "open"));
    return [...all.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #idle({ name, title, owner, mode, kbps }: ChannelRecord): ApiChannel {
    return { name, title, owner, aor: `sip:${name}@${this.#domain}`, onAir: false, mode, kbps };
  }

  #live({ name, title, owner, renditions, site, sinceWallMs }: OnAir, mode: ApiChannel["mode"]): ApiChannel {
    const { kbps } = renditions[0];
    return { name, title, owner, aor: `sip:${name}@${this.#domain}`, onAir: true, mode, site, kbps, sinceWallMs };
  }
}
