/** What `sipcast broadcast` sends as it comes. */
import { concat, NO_BYTES } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { LiveFeed } from "#client/agents.ts";
import { isMulticast } from "#host/addresses.ts";
import { type Address, type Host, showAddress } from "#host/host.ts";
import { parseRtp } from "#media/index.ts";
import { UsageError } from "./console.ts";

const [SYNC, PACKET_BYTES] = [0x47, 188]; // ISO/IEC 13818-1 §2.4.3.2
/** Packets in a row that make a transport stream: what is none has so many sync octets by chance once in 4 GiB. */
const SURE_PACKETS = 4;

export const fromStdin = (): LiveFeed => synced("Standard input", { kind: "live", start: startStdin });

/** A transport stream in datagrams, with or without RTP around it, from an address or group. */
export const fromUdp = (host: Host, at: Address): LiveFeed =>
  synced(`udp://${showAddress(at)}`, { kind: "live", start: (write, ended) => startUdp(host, at, write, ended) });

/** The feed from its first packet on. It ends with a fault when there is none in `liveSourceSyncBytes`, or in all of it. */
export function synced(name: string, feed: LiveFeed): LiveFeed {
  return {
    kind: "live",
    start(write, ended) {
      let waiting: Uint8Array | undefined = NO_BYTES; // until there is a packet
      const none = (): UsageError => new UsageError(`${name} is no MPEG transport stream.`);
      const take = (octets: Uint8Array): void => {
        if (!waiting) return write(octets);
        waiting = concat([waiting, octets]);
        if (hasPackets(waiting)) {
          write(waiting);
          waiting = undefined;
        } else if (waiting.length > LIMITS.liveSourceSyncBytes) {
          waiting = NO_BYTES;
          ended(none());
        }
      };
      return feed.start(take, (fault) => ended(fault ?? (waiting && none())));
    },
  };
}
function hasPackets(octets: Uint8Array): boolean {
  const isSync = (at: number): boolean => octets[at] === SYNC;
  for (let at = octets.indexOf(SYNC); at >= 0; at = octets.indexOf(SYNC, at + 1))
    if (Array.from({ length: SURE_PACKETS }, (_, packet) => at + packet * PACKET_BYTES).every(isSync)) return true;
  return false;
}

type Start = LiveFeed["start"];
function startStdin(...[write, ended]: Parameters<Start>): ReturnType<Start> {
  process.stdin.on("data", write);
  process.stdin.once("end", () => ended());
  return () => {
    process.stdin.off("data", write);
    process.stdin.destroy();
  };
}

function startUdp(host: Host, at: Address, ...[write, ended]: Parameters<Start>): ReturnType<Start> {
  const isGroup = isMulticast(at.host);
  const port = host.datagram(
    { ...at, shared: isGroup },
    {
      bound: () => {
        if (isGroup) port.join(at.host);
      },
      datagram: (bytes) => write(payloadOf(bytes)),
      failed: (error) => ended(new UsageError(`Cannot receive from ${showAddress(at)}: ${error.message}`)),
    },
  );
  return () => port.close();
}
function payloadOf(datagram: Uint8Array): Uint8Array {
  const rtp = datagram[0] === SYNC ? undefined : parseRtp(datagram);
  return rtp?.status === "ok" ? rtp.value.payload : datagram;
}
