/** For tests: a disk without room. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

/**
 * From now on every file that this process writes by `writeFile` gets half of what it should, and the writer is told that there is
 * no room (ENOSPC). Call what it returns to have the disk as it was.
 */
export function fullDisk(): () => void {
  const { writeFile } = fs;
  replace((file: number, data: Uint8Array, done: fs.NoParamCallback) =>
    writeFile(file, data.subarray(0, data.length / 2), () =>
      done(Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" })),
    ),
  );
  return () => replace(writeFile);
}

function replace(writeFile: object): void {
  Object.assign(fs, { writeFile });
  syncBuiltinESMExports(); // whoever imported it by name has it from now on
}
