import { LIMITS } from "#base/limits.ts";
import { parsePes } from "../wire/pes.ts";
import { isVideo, type Pmt, parsePat, parsePmt } from "../wire/psi.ts";
import { PCR_WRAP_TICKS, PID, parseTsPacket, TS_PACKET_BYTES, TS_SYNC, type TsPacket, ticksAhead } from "../wire/ts.ts";
import { SectionCollector } from "./sections.ts";

/** Everything here counts in ticks of the system clock, 27 MHz; a tick of a time stamp (90 kHz) is 300 of them. */
export const TICKS_PER_MS = 27_000;
export const TICKS_PER_STAMP = 300;

/** Where a clock reference stands in a clip: the packet's number, and its time since the clip's first era began. */
export interface ClockPoint {
  readonly packet: number;
  readonly ticks: number;
}
/** A run of packets on one clock. Clips recorded or joined from pieces have several. */
export interface EraShift {
  readonly fromPacket: number;
  /** What is added to its clock and stamps so that they go on from the era before. A whole number of stamp ticks. */
  readonly shiftTicks: number;
}
/** A transport stream of fixed length, with what it takes to play it round and round. */
export interface Clip {
  /** Whole TS packets; the first is of the PAT. */
  readonly packets: Uint8Array;
  /** At least two, in order of both fields. */
  readonly clock: readonly ClockPoint[];
  readonly eras: readonly EraShift[];
  /** From the start of one round to the start of the next. */
  readonly periodTicks: number;
  /** TS octets by time, all rounds alike. */
  readonly kbps: number;
}

export class ClipFault extends Error {
  override readonly name = "ClipFault";
  readonly code: "not-ts" | "no-tables" | "no-clock" | "too-large";
  constructor(code: ClipFault["code"], message: string) {
    super(message);
    this.code = code;
  }
}
export type ReadClip = { readonly status: "ok"; readonly clip: Clip } | { readonly status: "bad"; readonly fault: ClipFault };

/** More between two clock references, or between clock and stamp, is another clock: the standard allows 0.1 s. */
const MAX_CLOCK_GAP_TICKS = 2_000 * TICKS_PER_MS;
const MAX_STAMP_GAP_TICKS = 10_000 * TICKS_PER_MS;
/** Where nothing says how long a frame is, a clock or stream goes on by this much at least. */
const MIN_STEP_TICKS = TICKS_PER_MS;

/** First and last of something that recurs within an era. */
class Span {
  readonly first: number;
  last: number;
  #count = 1;
  constructor(first: number) {
    this.first = this.last = first;
  }
  add(ticks: number): void {
    this.last = Math.max(this.last, ticks);
    this.#count++;
  }
  get meanStep(): number {
    return this.#count > 1 ? (this.last - this.first) / (this.#count - 1) : MIN_STEP_TICKS;
  }
}
interface Era {
  readonly fromPacket: number;
  /** What its ticks count from: a whole number of stamp ticks. */
  readonly originTicks: number;
  readonly clock: ClockPoint[];
  readonly stamps: Map<number, Span>; // decoding times by PID
}

/** Reads a whole file. Octets after its last whole packet, and packets before its first PAT, are left out. */
export function readClip(file: Uint8Array): ReadClip {
  if (file.length > LIMITS.clipBytes) {
    return bad("too-large", `The file has ${file.length} octets; ${LIMITS.clipBytes} is the most a clip may have.`);
  }
  const from = firstPat(file);
  if (typeof from !== "number") return { status: "bad", fault: from };
  const packets = file.subarray(from, file.length - ((file.length - from) % TS_PACKET_BYTES));
  const pmt = firstPmt(packets);
  if (!pmt) return bad("no-tables", "The file has no programme map (PMT): nothing says what is in it.");
  const eras = readEras(packets, pmt.pcrPid);
  if (eras.reduce((sum, { clock }) => sum + clock.length, 0) < 2) {
    return bad("no-clock", "The file has no clock (PCR) to send it by.");
  }
  return { status: "ok", clip: lay(packets, eras, pmt) };
}

/** Puts the eras one after the other, and the first after the last. */
function lay(packets: Uint8Array, eras: readonly Era[], pmt: Pmt): Clip {
  const framePid = pmt.streams.find(({ streamType }) => isVideo(streamType))?.pid ?? pmt.pcrPid;
  const shifts: EraShift[] = [];
  const clock: ClockPoint[] = [];
  const zeroTicks = eras[0]?.originTicks ?? 0;
  let baseTicks = 0;
  for (const [n, era] of eras.entries()) {
    shifts.push({ fromPacket: era.fromPacket, shiftTicks: zeroTicks - era.originTicks + baseTicks });
    for (const { packet, ticks } of era.clock) clock.push({ packet, ticks: ticks + baseTicks });
    baseTicks += seamTicks(era, eras[n + 1] ?? eras[0] ?? era, framePid);
  }
  const kbps = (packets.length * 8) / (baseTicks / TICKS_PER_MS);
  return { packets, clock, eras: shifts, periodTicks: baseTicks, kbps };
}

/**
 * From an era's origin to the next one's, so that neither the clock nor any stream steps back, and the stream that
 * `framePid` carries goes on by one frame.
 */
function seamTicks(before: Era, after: Era, framePid: number): number {
  const clocks = { last: before.clock.at(-1)?.ticks ?? 0, first: after.clock[0]?.ticks ?? 0 };
  let seam = clocks.last + MIN_STEP_TICKS - clocks.first;
  let hasFrames = false;
  for (const [pid, span] of before.stamps) {
    const next = after.stamps.get(pid);
    if (!next) continue;
    const step = pid === framePid ? span.meanStep : MIN_STEP_TICKS;
    hasFrames ||= pid === framePid;
    seam = Math.max(seam, span.last + step - next.first);
  }
  if (!hasFrames && before.clock.length > 1) {
    const meanStep = (clocks.last - (before.clock[0]?.ticks ?? 0)) / (before.clock.length - 1);
    seam = Math.max(seam, clocks.last + meanStep - clocks.first);
  }
  return Math.ceil(Math.round(seam) / TICKS_PER_STAMP) * TICKS_PER_STAMP;
}

function readEras(packets: Uint8Array, pcrPid: number): readonly Era[] {
  const reader = new EraReader(pcrPid);
  for (let at = 0; at < packets.length; at += TS_PACKET_BYTES) {
    const read = parseTsPacket(packets, at);
    if (read.status === "ok") reader.add(packets, read.value); // else damaged, but in its place: it is sent as it is
  }
  return reader.eras;
}

/** Finds where one clock ends and another begins. */
class EraReader {
  readonly eras: Era[] = [];
  readonly #pcrPid: number;
  readonly #continuity = new Map<number, number>();
  /** First packet since the last clock reference whose counter does not follow: there a new era would begin. */
  #brokenAt: number | undefined;

  constructor(pcrPid: number) {
    this.#pcrPid = pcrPid;
  }

  add(packets: Uint8Array, packet: TsPacket): void {
    const number = packet.at / TS_PACKET_BYTES;
    this.#watchContinuity(packet, number);
    if (packet.pid === this.#pcrPid && packet.pcrTicks !== undefined) {
      const era = this.#eraOf(packet.pcrTicks, number, (last) => breaksClock(last, packet));
      era.clock.push({ packet: number, ticks: within(era, packet.pcrTicks) });
      this.#brokenAt = undefined;
    }
    const stampTicks = decodingTicks(packets, packet);
    if (stampTicks === undefined) return;
    const era = this.#eraOf(stampTicks, number, (last) => breaksStamps(last, stampTicks));
    const span = era.stamps.get(packet.pid);
    if (span) span.add(within(era, stampTicks));
    else era.stamps.set(packet.pid, new Span(within(era, stampTicks)));
  }

  #eraOf(ticks: number, number: number, breaks: (last: Era) => boolean): Era {
    const last = this.eras.at(-1);
    if (last && !breaks(last)) return last;
    const fromPacket = last ? (this.#brokenAt ?? number) : 0;
    const begun: Era = { fromPacket, originTicks: ticks - (ticks % TICKS_PER_STAMP), clock: [], stamps: new Map() };
    this.eras.push(begun);
    return begun;
  }

  #watchContinuity({ pid, continuity, discontinuity }: TsPacket, number: number): void {
    const last = this.#continuity.get(pid);
    this.#continuity.set(pid, continuity);
    if (pid === PID.null || last === undefined) return;
    const follows = !discontinuity && ((continuity - last) & 0x0f) <= 1;
    if (!follows) this.#brokenAt ??= number;
  }
}

const within = (era: Era, ticks: number): number => ticksAhead(ticks, era.originTicks, PCR_WRAP_TICKS);

function breaksClock(era: Era, { pcrTicks = 0, discontinuity }: TsPacket): boolean {
  const last = era.clock.at(-1)?.ticks;
  if (last === undefined) return Math.abs(within(era, pcrTicks)) > MAX_STAMP_GAP_TICKS;
  const step = within(era, pcrTicks) - last;
  return discontinuity || step <= 0 || step > MAX_CLOCK_GAP_TICKS;
}

const breaksStamps = (era: Era, stampTicks: number): boolean =>
  Math.abs(within(era, stampTicks) - (era.clock.at(-1)?.ticks ?? 0)) > MAX_STAMP_GAP_TICKS;

/** DTS, or the PTS that stands for it; in ticks of the clock. */
function decodingTicks(packets: Uint8Array, packet: TsPacket): number | undefined {
  if (!packet.unitStart || packet.scrambled || packet.payloadAt === packet.payloadEnd) return undefined;
  const pes = parsePes(packets, packet.payloadAt, packet.payloadEnd);
  const stamp = pes.status === "ok" ? (pes.value.dts ?? pes.value.pts) : undefined;
  return stamp && stamp.ticks * TICKS_PER_STAMP;
}

/** Offset of the first packet of the PAT, every packet's place having been seen to begin with the sync octet. */
function firstPat(file: Uint8Array): number | ClipFault {
  let first: number | undefined;
  if (file.length < TS_PACKET_BYTES)
    return new ClipFault("not-ts", "The file is shorter than one packet of an MPEG transport stream.");
  for (let at = 0; at + TS_PACKET_BYTES <= file.length; at += TS_PACKET_BYTES) {
    if (file[at] !== TS_SYNC) {
      return new ClipFault("not-ts", `The file is no MPEG transport stream: octet ${at} does not begin a packet.`);
    }
    const read = parseTsPacket(file, at);
    if (first === undefined && read.status === "ok" && read.value.pid === PID.pat && read.value.unitStart) first = at;
  }
  return first ?? new ClipFault("no-tables", "The file has no programme association table (PAT): nothing says what is in it.");
}

function firstPmt(packets: Uint8Array): Pmt | undefined {
  const pat = new SectionCollector(parsePat);
  const pmt = new SectionCollector(parsePmt);
  for (let at = 0; at < packets.length; at += TS_PACKET_BYTES) {
    const read = parseTsPacket(packets, at);
    if (read.status !== "ok") continue;
    if (read.value.pid === PID.pat) pat.push(packets, read.value);
    else if (read.value.pid === pat.table?.programs[0]?.pmtPid && pmt.push(packets, read.value)) return pmt.table;
  }
  return undefined;
}

const bad = (code: ClipFault["code"], message: string): ReadClip => ({ status: "bad", fault: new ClipFault(code, message) });
