export { type HepAgent, hepPacket } from "./hep.ts";
export { Ladder, type LadderOptions } from "./ladder.ts";
export { PcapWriter } from "./pcap.ts";
export { type SignallingMessage, SignallingReader } from "./signalling.ts";
