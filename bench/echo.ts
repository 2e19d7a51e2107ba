/** The other end of `bench overlay`: sends every frame back. Told by its first argument which carrier to use. */
import { SILENT } from "#base/log.ts";
import { nodeHost } from "#host/node/index.ts";
import { NatsCarrier, type NatsOptions } from "#overlay/carriers/nats.ts";
import { type Carrier, ChannelCarrier, ipcChannel } from "#overlay/index.ts";

const nats = JSON.parse(process.argv[2] ?? "null") as Omit<NatsOptions, "log"> | null;
const carrier: Carrier = nats ? new NatsCarrier({ ...nats, log: SILENT }) : new ChannelCarrier(ipcChannel(process));
const port = carrier.join("echo", nodeHost(), (frame) => port.send("bench", frame));
process.on("disconnect", () => process.exit());
