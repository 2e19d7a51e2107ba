import { close, fdatasync, fsync, ftruncateSync, mkdirSync, open, openSync, rename, writeFile } from "node:fs";
import { dirname, join } from "node:path";
import { concat } from "#base/bytes.ts";
import type { Log } from "../host.ts";
import type { HostCounters } from "./counters.ts";
import { frame, HEADER, readFrames } from "./log-file.ts";

interface Rewrite {
  readonly records: Uint8Array;
  /** What was appended since it was asked for: the new file gets that too. */
  readonly since: Uint8Array[];
  /** The new file, once `records` are on it. */
  fd: number | undefined;
}

/**
 * One log in one file (`Log`). Disk work runs on the thread pool, one job at a time; a rewrite writes beside it, and only
 * its last step, the tail and the rename, waits its turn. A disk that fails throws: nothing promised may go unkept.
 */
export class NodeLog implements Log {
  durableTicket = 0;
  readonly #path: string;
  readonly #besidePath: string;
  readonly #counters: HostCounters;
  #fd: number;
  #appended = 0;
  #waiting: Uint8Array[] = []; // frames
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
    const framed = frame(record);
    this.#waiting.push(framed);
    this.#rewrite?.since.push(framed);
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
      if (wholeBytes === 0) this.#waiting.unshift(HEADER);
      this.#counters.tornLogBytes += tornBytes;
      this.#state = "idle";
      done(tornBytes);
      this.#work();
    });
  }

  rewrite(records: Iterable<Uint8Array>): void {
    this.#mustBeOpen();
    const stale = this.#rewrite?.fd;
    if (stale !== undefined) close(stale, ignoreClosed);
    this.#rewrite = { records: concat([HEADER, ...Array.from(records, frame)]), since: [], fd: undefined };
    this.#work();
  }

  /** Writes the new file; the log goes on meanwhile. */
  #writeBeside(rewrite: Rewrite): void {
    this.#writingBeside = true;
    open(this.#besidePath, "w", (openError, fd) => {
      must(openError);
      writeFile(fd, rewrite.records, (writeError) => {
        must(writeError);
        this.#writingBeside = false;
        if (this.#rewrite === rewrite) rewrite.fd = fd;
        else close(fd, ignoreClosed); // another was asked for meanwhile
        this.#work();
      });
    });
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
    else if (this.#waiting.length > 0) this.#flush();
    else if (this.#closing && !rewrite) this.#end();
  }

  #flush(): void {
    const ticket = this.#appended;
    const frames = concat(this.#waiting);
    this.#waiting = [];
    this.#state = "busy";
    writeFile(this.#fd, frames, (writeError) => {
      must(writeError);
      fdatasync(this.#fd, (syncError) => {
        must(syncError);
        this.#done(ticket);
      });
    });
  }

  /** The new file takes the old one's place, with everything appended since. */
  #takeOver(rewrite: Rewrite, fd: number): void {
    const ticket = this.#appended;
    this.#waiting = [];
    this.#rewrite = undefined;
    this.#state = "busy";
    writeFile(fd, concat(rewrite.since), (writeError) => {
      must(writeError);
      fdatasync(fd, (syncError) => {
        must(syncError);
        rename(this.#besidePath, this.#path, (renameError) => {
          must(renameError);
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

/** The name of a file is safe only once its directory is on the disk. */
function syncDirectory(path: string, done: () => void): void {
  open(path, "r", (openError, fd) => {
    must(openError);
    fsync(fd, (syncError) => {
      must(syncError);
      close(fd, ignoreClosed);
      done();
    });
  });
}

function must(error: Error | null): void {
  if (error) throw error;
}
/** All was synchronized before: nothing is lost. */
const ignoreClosed = (): void => undefined;
