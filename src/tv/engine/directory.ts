import type { ChannelRecord, SubscriberRecord } from "../types.ts";

/** What registration pushed to this DS: who may speak through it, and which channels there are [B2]. */
export class Directory {
  readonly #subscribers = new Map<string, SubscriberRecord>();
  readonly #channels = new Map<string, ChannelRecord>();

  putSubscriber(record: SubscriberRecord): void {
    this.#subscribers.set(record.user, record);
  }
  putChannel(record: ChannelRecord): void {
    this.#channels.set(record.name, record);
  }
  subscriber(user: string): SubscriberRecord | undefined {
    return this.#subscribers.get(user);
  }
  channel(name: string): ChannelRecord | undefined {
    return this.#channels.get(name);
  }
  /** H(user:realm:secret) of each of the user's device secrets; none for a stranger. */
  ha1s(user: string): SubscriberRecord["ha1"] {
    return this.#subscribers.get(user)?.ha1 ?? [];
  }
}
