/** For tests and scripts that look at the page: a browser, and the page built. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { type Browser, chromium } from "playwright-core";
import { HOME } from "./test-program.ts";

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
