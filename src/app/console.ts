import { inspect } from "node:util";
import { StorageError } from "#base/errors.ts";

/** Something the person at the keyboard can put right: said in a sentence, without a stack. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Progress and faults go to standard error: standard output is for what was asked for. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Ends the process, which may have roles that run: in a sentence where its disk is to blame, else it is a fault of ours. */
export function endBy(error: unknown): never {
  say(error instanceof StorageError ? `sipcast: ${error.message}` : inspect(error));
  process.exit(1);
}

/** Resolves at the first Ctrl-C or SIGTERM; a second one ends the process at once. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (): void => {
      if (asked) process.exit(130);
      asked = true;
      resolve();
    };
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
  });
}
