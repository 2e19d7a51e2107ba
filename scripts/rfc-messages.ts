/**
 * The SIP messages in the appendix of an RFC, each into a file of its own; `testdata` has them already:
 * `node scripts/rfc-messages.ts rfc4475.txt testdata/rfc4475`, the same for RFC 5118.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";

const [rfc, folder] = process.argv.slice(2);
if (rfc === undefined || folder === undefined) throw new Error("Usage: node scripts/rfc-messages.ts RFC-TEXT FOLDER");
const [, archive = ""] = /-- BEGIN MESSAGE ARCHIVE --\n(.*)-- END MESSAGE ARCHIVE --/s.exec(readFileSync(rfc, "utf8")) ?? [];
const base64 = archive.split("\n").filter((line) => /^\s*\S+\s*$/.test(line)); // not the page breaks
mkdirSync(folder, { recursive: true });
const { status, stderr } = spawnSync("tar", ["-xz", "-C", folder], { input: Buffer.from(base64.join(""), "base64") });
if (status !== 0) throw new Error(`tar: ${stderr}`);

for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
  const from = path.join(folder, file);
  if (!statSync(from).isFile()) continue;
  const octets = readFileSync(from, "latin1");
  if (!octets.includes("\r")) writeFileSync(from, withBreaks(octets), "latin1"); // RFC 5118's
  renameSync(from, path.join(folder, `${path.basename(file, ".dat")}.dat`));
}
for (const entry of readdirSync(folder, { withFileTypes: true }))
  if (entry.isDirectory()) rmSync(path.join(folder, entry.name), { recursive: true });

/** CRLF for LF, and the Content-Length that follows from it. */
function withBreaks(octets: string): string {
  const [head = "", ...body] = octets.replaceAll("\n", "\r\n").split("\r\n\r\n");
  const rest = body.join("\r\n\r\n");
  return `${head.replace(/^Content-Length: \d+/m, `Content-Length: ${rest.length}`)}\r\n\r\n${rest}`;
}
