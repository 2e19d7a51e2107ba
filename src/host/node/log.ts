import {
  close,
  constants,
  copyFileSync,
  fdatasync,
  fsync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  open,
  openSync,
  rename,
  unlink,
  writeFile,
} from "node:fs";
import { dirname, join } from "node:path";
import { concat } from "#base/bytes.ts";
import { StorageError } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import type { Log, LogDamage, Timer } from "../host.ts";
import { nodeClock } from "./clock.ts";
import type { HostCounters } from "./counters.ts";
import { type Extent, Frames, HEADER, readFrames } from "./log-file.ts";

interface Rewrite {
  readonly records: Iterator<Uint8Array>;
  /** What was appended since it was asked for: the new file gets that too. */
  readonly since: Frames;
  /** The new file, once all `records` are on the disk. */
  fd: number | undefined;
  /** Its octets on the disk. */
  bytes: number;
}

/** Whatever is written goes to the end of the file, also after some of it was cut off. */
const ANEW = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_APPEND;
/** What a disk says that has no room for now. */
const NO_ROOM = ["ENOSPC", "EDQUOT", "EFBIG"];

/**
 * One log in one file (`Log`). Disk work runs on the thread pool, one job at a time; a rewrite writes beside it, a slice
 * a turn, and only its last step, the tail and the rename, waits its turn. Without room on the disk a write is cut off where
 * the last one ended and done anew, from memory, until it holds: no octet counts as safe by the second half of a failed flush. Any
 * other fault of a disk throws: what is on it is then only known by reading it again.
 */
export class NodeLog implements Log {
  durableTicket = 0;
  readonly #path: string;
  readonly #besidePath: string;
  readonly #counters: HostCounters;
  #fd: number;
  #appended = 0;
  readonly #waiting = new Frames();
  #bytes = 0; // of the file, on the disk; 0 = it has no header
  #rewrite: Rewrite | undefined;
  #writingBeside = false;
  #state: "new" | "replaying" | "idle" | "busy" = "new";
  #closing = false;
  #again: Timer | undefined; // for want of room
  #isStalled = false;
  #onDurable: (ticket: number) => void = () => undefined;
  #onStall: (cause: string | undefined) => void = () => undefined;

  /** Opens or makes the file, at once: a server opens its logs before it serves. */
  constructor(directory: string, name: string, counters: HostCounters) {
    if (!/^[\w-][\w.-]*$/.test(name)) throw new RangeError(`Cannot open log: bad name ${JSON.stringify(name)}`);
    this.#path = join(directory, `${name}.log`);
    this.#besidePath = `${this.#path}.new`;
    this.#fd = openedAt(this.#path);
    this.#counters = counters;
  }

  append(record: Uint8Array): number {
    this.#mustBeOpen();
    this.#waiting.add(record);
    this.#rewrite?.since.add(record);
    this.#appended++;
    this.#work();
    return this.#appended;
  }

  onDurable(handler: (ticket: number) => void): void {
    this.#onDurable = handler;
  }

  onStall(handler: (cause: string | undefined) => void): void {
    this.#onStall = handler;
  }

  replay(record: (bytes: Uint8Array) => void, done: (tornBytes: number, damage?: LogDamage) => void): void {
    if (this.#state !== "new") throw new Error("Cannot replay the log: it was replayed before");
    this.#state = "replaying";
    const read = (bytes: Uint8Array): void => {
      try {
        record(bytes);
      } catch (error) {
        throw error instanceof StorageError ? new StorageError(error.code, `Cannot use ${this.#path}: ${error.message}`) : error;
      }
    };
    readFrames(this.#path, read, (extent) => {
      const { wholeBytes, tornBytes } = extent;
      const damage = extent.isDamaged ? this.#keepAside(extent) : undefined;
      if (tornBytes > 0) this.#cut(wholeBytes);
      this.#bytes = wholeBytes;
      this.#counters.tornLogBytes += tornBytes;
      if (damage) this.#counters.damagedLogs++;
      this.#state = "idle";
      done(tornBytes, damage);
      this.#work();
    });
  }

  /** For whoever looks after the machine: one such copy, of the last time. */
  #keepAside({ wholeBytes, tornBytes }: Extent): LogDamage {
    const keptAs = `${this.#path}.damaged`;
    return onDisk(`Cannot keep the damaged log ${this.#path} as ${keptAs}`, () => {
      copyFileSync(this.#path, keptAs, constants.COPYFILE_FICLONE);
      const fd = openSync(keptAs, "r+");
      fsyncSync(fd);
      close(fd, ignoreClosed);
      return { file: this.#path, atBytes: wholeBytes, lostBytes: tornBytes, keptAs };
    });
  }
  #cut(bytes: number): void {
    onDisk(`Cannot cut the log ${this.#path}`, () => ftruncateSync(this.#fd, bytes));
  }

  rewrite(records: Iterable<Uint8Array>): void {
    this.#mustBeOpen();
    const stale = this.#rewrite;
    stale?.records.return?.();
    if (stale?.fd !== undefined) close(stale.fd, ignoreClosed);
    this.#rewrite = { records: records[Symbol.iterator](), since: new Frames(), fd: undefined, bytes: 0 };
    this.#work();
  }

  /** Writes the new file; the log goes on meanwhile. */
  #writeBeside(rewrite: Rewrite): void {
    this.#writingBeside = true;
    open(this.#besidePath, ANEW, (error, fd) => {
      if (this.#isWithoutRoom(error)) return this.#giveUp(rewrite, undefined);
      this.#writeSlice(rewrite, fd, HEADER);
    });
  }

  /**
   * Between slices, other work: taking the records costs their owner time, too. Each is on the disk before the next is written,
   * so that no flush of the log waits behind all of them.
   */
  #writeSlices(rewrite: Rewrite, fd: number): void {
    if (this.#rewrite !== rewrite) return this.#besideDone(rewrite, fd); // another was asked for meanwhile
    const slice = nextSlice(rewrite.records);
    if (slice === undefined) this.#besideDone(rewrite, fd);
    else this.#writeSlice(rewrite, fd, slice);
  }
  #writeSlice(rewrite: Rewrite, fd: number, slice: Uint8Array): void {
    writeDurably(fd, slice, (error) => {
      if (this.#isWithoutRoom(error)) return this.#giveUp(rewrite, fd);
      rewrite.bytes += slice.length;
      this.#writeSlices(rewrite, fd);
    });
  }

  #besideDone(rewrite: Rewrite, fd: number): void {
    this.#writingBeside = false;
    if (this.#rewrite === rewrite) rewrite.fd = fd;
    else close(fd, ignoreClosed);
    this.#work();
  }

  /** The file stays as it is: it holds all that the new one would. */
  #giveUp(rewrite: Rewrite, fd: number | undefined): void {
    this.#counters.logRewritesGivenUp++;
    rewrite.records.return?.();
    if (this.#rewrite === rewrite) this.#rewrite = undefined;
    if (fd !== undefined) close(fd, ignoreClosed);
    this.#writingBeside = true; // the next one has the same name
    unlink(this.#besidePath, () => {
      this.#writingBeside = false;
      this.#work();
    });
  }

  /** What was appended still reaches the disk, if there is room: else nobody was promised anything of it. */
  close(): void {
    this.#closing = true;
    if (this.#state === "new" || this.#again) this.#end();
    this.#work();
  }

  #mustBeOpen(): void {
    if (this.#closing) throw new Error("Cannot write to the log: it is closed");
    if (this.#state === "new") throw new Error("Cannot write to the log: it was not replayed");
  }

  #work(): void {
    if (this.#state !== "idle") return;
    const rewrite = this.#rewrite;
    if (rewrite && rewrite.fd === undefined && !this.#writingBeside) this.#writeBeside(rewrite);
    if (rewrite?.fd !== undefined) this.#takeOver(rewrite, rewrite.fd);
    else if (this.#waiting.octets > 0) this.#flush();
    else if (this.#closing && !rewrite) this.#end();
  }

  #flush(): void {
    const ticket = this.#appended;
    const frames = this.#waiting.take();
    this.#state = "busy";
    this.#write(frames, ticket);
  }
  #write(frames: Uint8Array, ticket: number): void {
    this.#again = undefined;
    const octets = this.#bytes === 0 ? concat([HEADER, frames]) : frames;
    writeDurably(this.#fd, octets, (error) => {
      if (this.#isWithoutRoom(error)) return this.#stall(error, frames, ticket);
      this.#bytes += octets.length;
      this.#done(ticket);
    });
  }
  #stall(error: Error, frames: Uint8Array, ticket: number): void {
    this.#cut(this.#bytes);
    if (this.#waiting.octets > LIMITS.logWaitingBytes) this.#must(error);
    if (this.#closing) return this.#end();
    this.#again = nodeClock.timer(nodeClock.nowMs() + LIMITS.logRetryMs, () => this.#write(frames, ticket));
    if (this.#isStalled) return;
    this.#isStalled = true;
    this.#counters.logStalls++;
    this.#onStall(error.message);
  }

  /** The new file takes the old one's place, with everything appended since. */
  #takeOver(rewrite: Rewrite, fd: number): void {
    const ticket = this.#appended;
    const since = rewrite.since.take();
    const unwritten = this.#waiting.take();
    this.#rewrite = undefined;
    this.#state = "busy";
    writeDurably(fd, since, (error) => {
      if (this.#isWithoutRoom(error)) {
        this.#giveUp(rewrite, fd);
        return this.#write(unwritten, ticket);
      }
      rename(this.#besidePath, this.#path, (renameError) => {
        this.#must(renameError);
        syncDirectory(dirname(this.#path), () => {
          close(this.#fd, ignoreClosed);
          this.#fd = fd;
          this.#bytes = rewrite.bytes + since.length;
          this.#done(ticket);
        });
      });
    });
  }

  #done(ticket: number): void {
    this.#state = "idle";
    const news = ticket > this.durableTicket;
    this.durableTicket = ticket;
    if (this.#isStalled) {
      this.#isStalled = false;
      this.#onStall(undefined);
    }
    this.#work();
    if (news) this.#onDurable(ticket);
  }

  #isWithoutRoom(error: NodeJS.ErrnoException | null): error is NodeJS.ErrnoException {
    if (error && NO_ROOM.includes(error.code ?? "")) return true;
    this.#must(error);
    return false;
  }
  /** What cannot be written ends the process, which may promise nothing more. */
  #must(error: Error | null): void {
    if (error) throw new StorageError("failed", `Cannot write the log ${this.#path}: ${error.message}`, error);
  }

  #end(): void {
    this.#again?.cancel();
    this.#state = "busy";
    close(this.#fd, ignoreClosed);
  }
}

/** The next records, `logSliceBytes` of them or a little more; nothing once there are none. */
function nextSlice(records: Iterator<Uint8Array>): Uint8Array | undefined {
  const frames = new Frames();
  while (frames.octets < LIMITS.logSliceBytes) {
    const next = records.next();
    if (next.done) break;
    frames.add(next.value);
  }
  return frames.octets > 0 ? frames.take() : undefined;
}

function openedAt(path: string): number {
  return onDisk(
    `Cannot open the log ${path}`,
    () => {
      mkdirSync(dirname(path), { recursive: true });
      return openSync(path, "a+");
    },
    "unusable",
  );
}

/** Calls back once the octets are on the disk, or says why they are not. */
function writeDurably(fd: number, octets: Uint8Array, done: (error: NodeJS.ErrnoException | null) => void): void {
  writeFile(fd, octets, (error) => {
    if (error) done(error);
    else fdatasync(fd, done);
  });
}

/** The name of a file is safe only once its directory is on the disk. */
function syncDirectory(path: string, done: () => void): void {
  const must = (error: Error | null): void => {
    if (error) throw new StorageError("failed", `Cannot write the folder ${path}: ${error.message}`, error);
  };
  open(path, "r", (openError, fd) => {
    must(openError);
    fsync(fd, (syncError) => {
      must(syncError);
      close(fd, ignoreClosed);
      done();
    });
  });
}

function onDisk<T>(failure: string, act: () => T, code: StorageError["code"] = "failed"): T {
  try {
    return act();
  } catch (error) {
    throw new StorageError(code, `${failure}: ${(error as Error).message}`, error);
  }
}
/** All was synchronized before: nothing is lost. */
const ignoreClosed = (): void => undefined;
