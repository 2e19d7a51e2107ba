import type { DatagramHandlers, DatagramPort, Entropy, Host } from "#host/host.ts";
import type { RtpStart } from "./engine/relay-stream.ts";
import type { StreamSource } from "./types.ts";

/**
 * Opens the socket that a stream comes in by. A group's socket is bound to the group, so that another group on the same
 * port is not heard, and joined with its source (RFC 4607).
 */
export function openSource(
  host: Host,
  source: StreamSource,
  multicastInterface: string,
  handlers: Pick<DatagramHandlers, "datagram" | "failed">,
): DatagramPort {
  if (source.kind === "ingest") return host.datagram(source.at, handlers);
  const { group } = source;
  const port = host.datagram(
    { ...group, shared: true, multicastInterface },
    {
      ...handlers,
      bound() {
        try {
          port.join(group.host, source.source);
        } catch (error) {
          port.close();
          handlers.failed(error instanceof Error ? error : new Error(String(error)));
        }
      },
    },
  );
  return port;
}

/** Random numbers to start from (RFC 3550 §5.1). */
export function randomRtpStart(entropy: Entropy): RtpStart {
  const octets = entropy.random(10);
  const random = new DataView(octets.buffer, octets.byteOffset);
  return { ssrc: random.getUint32(0), sequence: random.getUint16(4), timestamp: random.getUint32(6) };
}
