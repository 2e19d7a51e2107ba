/** For tests and scripts that look at the page: a browser, and the page built. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Browser, chromium } from "playwright-core";
import { HOME } from "./test-program.ts";

const POLL_MS = 20;
const PATIENCE_MS = 15_000;
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const openBrowser = (): Promise<Browser> => chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });

/** Builds the page where it has not been built. */
export function buildPage(): void {
  if (!existsSync(path.join(HOME, "web/dist/index.html"))) execFileSync("npm", ["run", "build"], { cwd: HOME, stdio: "pipe" });
}

/** What `get` answers once it answers something; throws after 15 s. */
export async function eventually<T>(what: string, get: () => Promise<T | undefined>): Promise<T> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (performance.now() < deadlineMs) {
    const got = await get();
    if (got !== undefined) return got;
    await sleep(POLL_MS);
  }
  throw new Error(`${what}: not within ${PATIENCE_MS / 1_000} s`);
}
