import { close, fdatasync, fsync, ftruncateSync, mkdirSync, open, openSync, rename, writeFile } from "node:fs";
import { dirname, join } from "node:path";
import { concat } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Log } from "../host.ts";
import type { HostCounters } from "./counters.ts";
import { Frames, HEADER, readFrames } from "./log-file.ts";

interface Rewrite {
  readonly records: Iterator<Uint8Array>;
  /** What was appended since it was asked for: the new file gets that too. */
  readonly since: Frames;
  /** The new file, once all `records` are on the disk. */
  fd: number | undefined;
}

/**
 * One log in one file (`Log`). Disk work runs on the thread pool, one job at a time; a rewrite writes beside it, a slice
 * a turn, and only its last step, the tail and the rename, waits its turn. A disk that fails throws: nothing promised may go unkept.
 */
export class NodeLog implements Log {
  durableTicket = 0;
  readonly #path: string;
  readonly #besidePath: string;
  readonly #counters: HostCounters;
  #fd: number;
  #appended = 0;
  readonly #waiting = new Frames();
  #isEmpty = false; // the file: it has no header
  #rewrite: Rewrite | undefined;
  #writingBeside = false;
  #state: "new" | "replaying" | "idle" | "busy" = "new";
  #closing = false;
  #onDurable: (ticket: number) => void = () => undefined;

  /** Opens or makes the file, at once: a server opens its logs before it serves. */
  constructor(directory: string, name: string, counters: HostCounters) {
    if (!/^[\w-][\w.-]*$/.test(name)) throw new RangeError(`Cannot open log: bad name ${JSON.stringify(name)}`);
    mkdirSync(directory, { recursive: true });
    this.#path = join(directory, `${name}.log`);
    this.#besidePath = `${this.#path}.new`;
    this.#fd = openSync(this.#path, "a+");
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

  replay(record: (bytes: Uint8Array) => void, done: (tornBytes: number) => void): void {
    if (this.#state !== "new") throw new Error("Cannot replay the log: it was replayed before");
    this.#state = "replaying";
    readFrames(this.#path, record, (wholeBytes, tornBytes) => {
      if (tornBytes > 0) ftruncateSync(this.#fd, wholeBytes);
      this.#isEmpty = wholeBytes === 0;
      this.#counters.tornLogBytes += tornBytes;
      this.#state = "idle";
      done(tornBytes);
      this.#work();
    });
  }

  rewrite(records: Iterable<Uint8Array>): void {
    this.#mustBeOpen();
    const stale = this.#rewrite;
    stale?.records.return?.();
    if (stale?.fd !== undefined) close(stale.fd, ignoreClosed);
    this.#rewrite = { records: records[Symbol.iterator](), since: new Frames(), fd: undefined };
    this.#work();
  }

  /** Writes the new file; the log goes on meanwhile. */
  #writeBeside(rewrite: Rewrite): void {
    this.#writingBeside = true;
    open(this.#besidePath, "w", (openError, fd) => {
      must(openError, this.#path);
      writeFile(fd, HEADER, (writeError) => {
        must(writeError, this.#path);
        this.#writeSlices(rewrite, fd);
      });
    });
  }

  /**
   * Between slices, other work: taking the records costs their owner time, too. Each is on the disk before the next is written,
   * so that no flush of the log waits behind all of them.
   */
  #writeSlices(rewrite: Rewrite, fd: number): void {
    if (this.#rewrite !== rewrite) return this.#besideDone(rewrite, fd); // another was asked for meanwhile
    const slice = nextSlice(rewrite.records);
    if (slice === undefined) return this.#besideDone(rewrite, fd);
    writeFile(fd, slice, (writeError) => {
      must(writeError, this.#path);
      fdatasync(fd, (syncError) => {
        must(syncError, this.#path);
        this.#writeSlices(rewrite, fd);
      });
    });
  }

  #besideDone(rewrite: Rewrite, fd: number): void {
    this.#writingBeside = false;
    if (this.#rewrite === rewrite) rewrite.fd = fd;
    else close(fd, ignoreClosed);
    this.#work();
  }

  /** What was appended still reaches the disk. */
  close(): void {
    this.#closing = true;
    if (this.#state === "new") this.#end();
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
    const octets = this.#isEmpty ? concat([HEADER, frames]) : frames;
    this.#isEmpty = false;
    this.#state = "busy";
    writeFile(this.#fd, octets, (writeError) => {
      must(writeError, this.#path);
      fdatasync(this.#fd, (syncError) => {
        must(syncError, this.#path);
        this.#done(ticket);
      });
    });
  }

  /** The new file takes the old one's place, with everything appended since. */
  #takeOver(rewrite: Rewrite, fd: number): void {
    const ticket = this.#appended;
    this.#waiting.take();
    this.#isEmpty = false;
    this.#rewrite = undefined;
    this.#state = "busy";
    writeFile(fd, rewrite.since.take(), (writeError) => {
      must(writeError, this.#path);
      fdatasync(fd, (syncError) => {
        must(syncError, this.#path);
        rename(this.#besidePath, this.#path, (renameError) => {
          must(renameError, this.#path);
          syncDirectory(dirname(this.#path), () => {
            close(this.#fd, ignoreClosed);
            this.#fd = fd;
            this.#done(ticket);
          });
        });
      });
    });
  }

  #done(ticket: number): void {
    this.#state = "idle";
    const news = ticket > this.durableTicket;
    this.durableTicket = ticket;
    this.#work();
    if (news) this.#onDurable(ticket);
  }

  #end(): void {
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

/** The name of a file is safe only once its directory is on the disk. */
function syncDirectory(path: string, done: () => void): void {
  open(path, "r", (openError, fd) => {
    must(openError, path);
    fsync(fd, (syncError) => {
      must(syncError, path);
      close(fd, ignoreClosed);
      done();
    });
  });
}

/** What cannot be written ends the process, which may promise nothing more. */
function must(error: Error | null, path: string): void {
  if (error) throw new Error(`Cannot write the log ${path}: ${error.message}`, { cause: error });
}
/** All was synchronized before: nothing is lost. */
const ignoreClosed = (): void => undefined;
