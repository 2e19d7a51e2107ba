/** For tests and scripts that look at the page: a browser, and the page built. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
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

/** Builds the page where what stands is older than what it is made of, or nothing stands. */
export function buildPage(): void {
  const built = path.join(HOME, "web/dist/index.html");
  const isBuilt =
    existsSync(built) && ["web/src", "src"].every((folder) => newestMs(path.join(HOME, folder)) < statSync(built).mtimeMs);
  if (!isBuilt) execFileSync("npm", ["run", "build"], { cwd: HOME, stdio: "pipe" });
}
const newestMs = (folder: string): number =>
  Math.max(...readdirSync(folder, { recursive: true }).map((file) => statSync(path.join(folder, String(file))).mtimeMs));
