import { createHmac, hash, randomFillSync } from "node:crypto";
import type { DigestAlgorithm, Host } from "../host.ts";
import { nodeClock } from "./clock.ts";
import { type HostCounters, hostCounters } from "./counters.ts";
import { NodeDatagrams } from "./datagrams.ts";
import { hmacHex } from "./hmac.ts";
import { NodeLog } from "./log.ts";
import { MemoryLog } from "./memory-log.ts";
import { connectMessages, listenMessages } from "./messages.ts";
import { connectStream, listenStreams } from "./streams.ts";

export interface NodeHostOptions {
  /** Where logs are kept, made when missing; without it nothing is. */
  readonly logDirectory?: string;
}
export interface NodeHost extends Host {
  readonly counters: Readonly<HostCounters>;
}

const ALGORITHMS = { MD5: "md5", "SHA-256": "sha256" } as const satisfies Record<DigestAlgorithm, string>;

/** The real machine. */
export function nodeHost(options: NodeHostOptions = {}): NodeHost {
  const counters = hostCounters();
  return {
    ...nodeClock,
    counters,
    random: pooledRandom(),
    digest: (algorithm, bytes) => hash(ALGORITHMS[algorithm], bytes, "buffer"),
    hmac: (algorithm, key, bytes) => createHmac(ALGORITHMS[algorithm], key).update(bytes).digest(),
    digestHex: (algorithm, text) => hash(ALGORITHMS[algorithm], text),
    hmacHex: (algorithm, key, text) => hmacHex(ALGORITHMS[algorithm], key, text),
    datagram: (bind, handlers) => new NodeDatagrams(bind, handlers, counters),
    listen: (bind, streamOptions, handlers) => listenStreams(bind, streamOptions, handlers, counters),
    connect: (to, streamOptions, handlers) => connectStream(to, streamOptions, handlers, counters),
    listenMessages: (bind, listenOptions, handlers) => listenMessages(bind, listenOptions, handlers, counters),
    connectMessages: (url, connectOptions, handlers) => connectMessages(url, connectOptions, handlers, counters),
    log: (name) => (options.logDirectory === undefined ? new MemoryLog() : new NodeLog(options.logDirectory, name, counters)),
  };
}

/** The system's random octets, fetched by the page: every SIP message wants some. */
function pooledRandom(): (octets: number) => Uint8Array {
  const pool = new Uint8Array(4096);
  let used = pool.length;
  return (octets) => {
    if (octets > pool.length) return randomFillSync(new Uint8Array(octets));
    if (used + octets > pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    used += octets;
    return pool.slice(used - octets, used);
  };
}
