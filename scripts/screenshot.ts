/** Makes the README's picture, docs/images/page.png, from a demo and Chromium: `npx node scripts/screenshot.ts`. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildPage, openBrowser } from "../src/app/test-browser.ts";
import { Bench, HOME } from "../src/app/test-program.ts";

const FILE = path.join(HOME, "docs/images/page.png");
const PLAYING_MS = 2_000;

buildPage();
const bench = new Bench();
const browser = await openBrowser();
try {
  const { ready } = await bench.demo();
  const page = await browser.newPage({ viewport: { width: 1280, height: 720 }, colorScheme: "dark" });
  await page.goto(ready.web);
  const { user = "", password = "" } = ready.accounts[0] ?? {};
  await page.getByTestId("user").fill(user);
  await page.getByTestId("password").fill(password);
  await page.getByTestId("submit").click();
  bench.sipcast("broadcast", "bob-tv", "testdata/clips/sport.ts");
  await page.getByTestId("channel-bob-tv").filter({ hasText: "Live" }).waitFor();
  await page.getByTestId("channel-sport").click();
  await page.locator("[data-first-frame-ms]").waitFor();
  await sleep(PLAYING_MS);
  await page.mouse.move(500, 300); // banner and controls show
  mkdirSync(path.dirname(FILE), { recursive: true });
  await page.screenshot({ path: FILE });
} finally {
  await browser.close();
  bench.close();
}
