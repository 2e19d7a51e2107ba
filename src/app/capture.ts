import { createWriteStream } from "node:fs";
import { isIPv6 } from "node:net";
import type { Logger } from "#base/log.ts";
import type { Host } from "#host/host.ts";
import type { TapEvent } from "#host/tap.ts";
import { hepPacket, PcapWriter, type SignallingMessage, SignallingReader } from "#trace/index.ts";
import type { Config } from "./config-schema.ts";

export interface Capture {
  readonly sink: (event: TapEvent) => void;
  /** Resolves once everything is written. */
  close(): Promise<void>;
}
type Recorder = (message: SignallingMessage) => void;
interface Opened {
  readonly record: Recorder;
  close(): Promise<void>;
}

/** Sends or writes the signalling that taps see, as configured; `undefined` where nobody wants it. */
export function openCapture({ hep, agentId, pcap }: Config["capture"], host: Host, log: Logger): Capture | undefined {
  const opened = [
    ...(hep ? [toCollector(host, hep, agentId, log)] : []),
    ...(pcap === undefined ? [] : [toFile(host, pcap, log)]),
  ];
  if (opened.length === 0) return undefined;
  const reader = new SignallingReader((message) => {
    for (const { record } of opened) record(message);
  });
  return {
    sink: (event) => reader.add(event),
    close: async () => {
      await Promise.all(opened.map(({ close }) => close()));
    },
  };
}

function toCollector(host: Host, hep: NonNullable<Config["capture"]["hep"]>, agentId: number, log: Logger): Opened {
  const port = host.datagram(
    { host: isIPv6(hep.host) ? "::" : "0.0.0.0", port: 0 },
    { datagram: () => undefined, failed: (error) => log.error("HEP capture failed", { error }) },
  );
  return {
    record: (message) => {
      const packet = hepPacket(message, host.wallMs(), { agentId });
      if (packet) port.send(packet, hep);
    },
    close: async () => port.close(),
  };
}

/** Credentials pass by, hashed: the file is its owner's alone. */
function toFile(host: Host, file: string, log: Logger): Opened {
  const stream = createWriteStream(file, { mode: 0o600 });
  stream.on("error", (error) => log.error("capture file failed", { file, error }));
  const writer = new PcapWriter((bytes) => {
    if (!stream.writableEnded) stream.write(bytes); // connections that close last still say goodbye
  });
  return {
    record: (message) => writer.add(message, host.wallMs()),
    close: () => new Promise((done) => void stream.end(() => done())),
  };
}
