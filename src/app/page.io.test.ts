/** The page in a real browser against the real program: everything a person does, end to end. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { toolOrSkip, until } from "#host/node/test-tools.ts";
import type { DemoReady } from "./demo-state.ts";
import { buildPage, openBrowser } from "./test-browser.ts";
import { Bench } from "./test-program.ts";

/** One sample channel fits between the sites, two do not. */
const CORE_KBPS = 600;
/** From the 2xx to the first picture, where the edge carries the channel already. */
const FIRST_FRAME_MS = 200;
const LEAVE_MS = 5_000;
const PASSWORD = "a-long-password";
const FULL = "There is not enough bandwidth on the operator's network for this channel right now.";

interface House {
  readonly bench: Bench;
  readonly ready: DemoReady;
  readonly browser: Browser;
  readonly firstFramesMs: number[];
  readonly pageErrors: string[];
}

const FLOWS: readonly [name: string, flow: (house: House) => Promise<void>][] = [
  ["a name that is taken and a wrong password are said beside their fields", complaints],
  ["a person signs up, presses a channel, and has picture and sound", signUpAndWatch],
  ["channels change by click, by arrow, by number and by the back button", changeChannels],
  ["the picture before goes on where the next channel is refused, which is said over it", refusedChange],
  ["a broadcast is in the guide at once, plays, and its end is told in words", broadcast],
  ["what does not fit is refused in words, and fits once another has left", refusal],
  ["a reload comes back to the channel; a new tab is silent until it is asked for sound", reload],
  ["the picture comes back when the way to the DS was lost and found", lostAndFound],
  ["the keyboard is enough", keyboard],
  ["a person who signs out holds nothing, in no tab", signOut],
  ["a page of another origin gets no WebSocket", foreignOrigin],
];

test("the page in a browser", { timeout: 120_000 }, async (t) => {
  if (!toolOrSkip(t, "chromium")) return;
  buildPage();
  const bench = new Bench();
  t.after(() => bench.close());
  const { program, ready } = await bench.demo("--core-kbps", `${CORE_KBPS}`);
  const browser = await openBrowser();
  t.after(() => browser.close());
  const house: House = { bench, ready, browser, firstFramesMs: [], pageErrors: [] };
  for (const [name, flow] of FLOWS) {
    await t.test(name, async () => {
      await flow(house).finally(() => Promise.all(browser.contexts().map(closed)));
      assert.deepEqual(house.pageErrors.splice(0), []);
    });
  }
  await t.test(`the first picture is there within ${FIRST_FRAME_MS} ms of the 2xx`, (t) => {
    t.diagnostic(`first pictures after ${house.firstFramesMs.join(", ")} ms`);
    assert.ok(Math.min(...house.firstFramesMs) <= FIRST_FRAME_MS);
  });
  await t.test("Ctrl-C ends the program cleanly and soon", async () => assert.equal(await program.stop("SIGINT", LEAVE_MS), 0));
});

/** Leaves every page as a person does, so that it says goodbye. */
async function closed(context: BrowserContext): Promise<void> {
  await Promise.all(context.pages().map((page) => page.goto("about:blank")));
  await context.close();
}

// What a person sees

async function open(house: House, host?: string, hash?: string): Promise<Page> {
  const context = await house.browser.newContext({ viewport: { width: 1280, height: 800 } });
  return openTab(house, context, host, hash);
}
async function openTab(house: House, context: BrowserContext, host?: string, hash?: string): Promise<Page> {
  const page = await context.newPage();
  page.on("pageerror", (error) => house.pageErrors.push(error.stack ?? error.message));
  await page.goto(address(house, host, hash));
  return page;
}
const address = ({ ready }: House, host = "localhost", hash = "") => `http://${host}:${new URL(ready.web).port}/${hash}`;

async function fillIn(page: Page, user: string, password: string): Promise<void> {
  await page.getByTestId("user").fill(user);
  await page.getByTestId("password").fill(password);
  await page.getByTestId("submit").click();
}
async function signUp(page: Page, user: string): Promise<void> {
  await page.getByTestId("switch-form").click();
  await fillIn(page, user, PASSWORD);
  await page.getByTestId("account").waitFor();
}
async function signIn(house: House, page: Page, user: string): Promise<void> {
  const { password } = house.ready.accounts.find((account) => account.user === user) ?? assert.fail(`no ${user}`);
  await fillIn(page, user, password);
  await page.getByTestId("account").waitFor();
}
const tile = (page: Page, channel: string) => page.getByTestId(`channel-${channel}`);
const player = (page: Page, channel: string) => page.locator(`[data-testid="player"][data-channel="${channel}"]`);
const admitted = (page: Page, channel: string) => player(page, channel).and(page.locator("[data-state='watching']")).waitFor();
const newStream = (page: Page) => page.waitForEvent("websocket", (socket) => socket.url().includes("/media/"));
const saysSo = (page: Page, sentence: string) => page.getByRole("alert").filter({ hasText: sentence }).waitFor();

interface Look {
  readonly frames: number;
  readonly audioBytes: number;
  /** 64 × 48 points, red, green, blue, opacity. */
  readonly points: readonly number[];
}
const LINE = 64 * 4;

function look(page: Page): Promise<Look> {
  return page.evaluate(() => {
    const video = document.querySelector("video") as HTMLVideoElement & { readonly webkitAudioDecodedByteCount: number };
    const canvas = new OffscreenCanvas(64, 48).getContext("2d");
    canvas?.drawImage(video, 0, 0, 64, 48);
    return {
      frames: video.getVideoPlaybackQuality().totalVideoFrames,
      audioBytes: video.webkitAudioDecodedByteCount,
      points: [...(canvas?.getImageData(0, 0, 64, 48).data ?? [])],
    };
  });
}

/** Waits for that channel's first picture; its band at the bottom tells the sample channels apart. */
async function shows(house: House, page: Page, channel: string, band: "blue" | "green"): Promise<Look> {
  const stage = player(page, channel).and(page.locator("[data-state='watching'][data-first-frame-ms]"));
  house.firstFramesMs.push(Number(await stage.getAttribute("data-first-frame-ms", { timeout: 15_000 })));
  const first = await look(page);
  assert.equal(bandOf(first), band);
  return first;
}
function bandOf({ points }: Look): "blue" | "green" {
  const [, green = 0, blue = 0] = points.slice(-LINE / 2);
  return green > blue ? "green" : "blue";
}

/** Looks at every frame of the browser's until asked whether there was one without a picture on the stage. */
async function lookForGaps(page: Page): Promise<() => Promise<boolean>> {
  await page.evaluate(() => {
    const look = (): void => {
      const videos = [...document.querySelectorAll("video")];
      if (!videos.some((video) => video.getVideoPlaybackQuality().totalVideoFrames > 0))
        document.documentElement.dataset["gap"] = "true";
      requestAnimationFrame(look);
    };
    look();
  });
  return async () => (await page.locator("html[data-gap]").count()) > 0;
}

/** The same, and that picture and sound go on. */
async function plays(house: House, page: Page, channel: string, band: "blue" | "green"): Promise<void> {
  const first = await shows(house, page, channel, band);
  const later = await until(`a moving picture of ${channel}`, async () => {
    const now = await look(page);
    return now.frames >= first.frames + 5 && now.audioBytes > first.audioBytes ? now : undefined;
  });
  const mean = average(later.points);
  assert.ok(mean > 40, "not black");
  assert.ok(average(later.points.map((point) => (point - mean) ** 2)) > 400, "not one colour");
  assert.ok(average(later.points.map((point, at) => Math.abs(point - (first.points[at] ?? 0)))) > 0.5, "it moves");
}
const average = (all: readonly number[]): number => all.reduce((sum, one) => sum + one, 0) / all.length;

// The flows

async function complaints(house: House): Promise<void> {
  const page = await open(house);
  await fillIn(page, "alice", "not-her-password");
  await saysSo(page, "wrong");
  await page.getByTestId("switch-form").click();
  await fillIn(page, "alice", PASSWORD);
  const name = page.getByTestId("user");
  await page.locator("[data-testid='user'][aria-invalid='true']").waitFor();
  const about = page.locator(`[id="${await name.getAttribute("aria-describedby")}"]`);
  assert.match((await about.textContent()) ?? "", /taken/);
  await fillIn(page, "dora", "short");
  await page.locator("[data-testid='password'][aria-invalid='true']").waitFor();
}

async function signUpAndWatch(house: House): Promise<void> {
  const page = await open(house);
  await signUp(page, "carol");
  for (const channel of ["news", "sport"]) await tile(page, channel).filter({ hasText: "Live" }).waitFor();
  await tile(page, "bob-tv").waitFor();
  assert.equal(await tile(page, "bob-tv").filter({ hasText: "Live" }).count(), 0);
  await tile(page, "news").click();
  await plays(house, page, "news", "blue");
  assert.equal(await page.title(), "News · sipcast");
  await page.getByTestId("leave").click();
  await player(page, "news").waitFor({ state: "detached" });
}

async function changeChannels(house: House): Promise<void> {
  const page = await open(house, "127.0.0.1");
  await signIn(house, page, "alice");
  await tile(page, "news").click();
  await shows(house, page, "news", "blue");
  const hadGap = await lookForGaps(page);
  await tile(page, "sport").click();
  await shows(house, page, "sport", "green");
  await page.keyboard.press("ArrowUp");
  await shows(house, page, "news", "blue");
  const other = await open(house); // the place between the sites that sport had is free again
  await signIn(house, other, "bob");
  await tile(other, "news").click();
  await admitted(other, "news");
  await other.getByTestId("leave").click();
  await other.locator("[data-testid='connection'][data-state='registered']").waitFor({ state: "attached" }); // his call has ended
  for (let presses = 0; presses < 5; presses++) await page.keyboard.press("ArrowDown"); // faster than any answer
  await shows(house, page, "sport", "green");
  await page.keyboard.press("3");
  await shows(house, page, "news", "blue");
  await page.goBack();
  await shows(house, page, "sport", "green");
  assert.equal(await hadGap(), false, "each picture stays until the next");
}

async function refusedChange(house: House): Promise<void> {
  const page = await open(house);
  await signIn(house, page, "alice");
  await tile(page, "sport").click();
  await shows(house, page, "sport", "green");
  const hadGap = await lookForGaps(page);
  const sockets: string[] = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  for (const press of [() => tile(page, "bob-tv").click(), () => page.getByRole("button", { name: "Try again" }).click()]) {
    await press();
    await saysSo(page, "off air");
    const before = await look(page);
    const later = await until("the picture before, going on", async () => {
      const now = await look(page);
      return now.frames >= before.frames + 5 && now.audioBytes > before.audioBytes ? now : undefined;
    });
    assert.equal(bandOf(later), "green");
  }
  assert.deepEqual(sockets, [], "by the connection that it has");
  await tile(page, "news").click();
  await shows(house, page, "news", "blue");
  assert.equal(await hadGap(), false);
  await tile(page, "bob-tv").click();
  await saysSo(page, "off air");
  await page.getByTestId("leave").click();
  await tile(page, "sport").click(); // while the goodbye to news is under way
  await shows(house, page, "sport", "green");
}

async function broadcast(house: House): Promise<void> {
  const page = await open(house);
  await signIn(house, page, "alice");
  const renditions = [12_000, 500].map((kbps) => `testdata/clips/sport.ts@${kbps}`); // alice's line takes 10,000
  const bob = house.bench.sipcast("broadcast", "bob-tv", ...renditions);
  await tile(page, "bob-tv").filter({ hasText: "Live" }).click();
  await plays(house, page, "bob-tv", "green");
  await page.locator(".on-now", { hasText: /· 500.kbit\/s/ }).waitFor();
  assert.equal(await bob.stop(), 0);
  await saysSo(page, "The channel has ended.");
  await tile(page, "bob-tv").and(page.locator(".off")).waitFor();
}

async function refusal(house: House): Promise<void> {
  const [alice, bob] = [await open(house), await open(house)];
  await signIn(house, alice, "alice");
  await tile(alice, "sport").click();
  await shows(house, alice, "sport", "green");
  await signIn(house, bob, "bob");
  await tile(bob, "news").click();
  await saysSo(bob, FULL);
  await alice.goto("about:blank"); // leaving without a word to anybody
  await bob.getByRole("button", { name: "Try again" }).click();
  await shows(house, bob, "news", "blue");
}

async function reload(house: House): Promise<void> {
  const page = await open(house, "localhost", "#/news");
  await signIn(house, page, "alice"); // and the channel of the address starts at once
  await shows(house, page, "news", "blue");
  await page.reload();
  await shows(house, page, "news", "blue");
  const tab = await page.context().newPage();
  const stream = newStream(tab);
  await tab.goto(address(house, "localhost", "#/news"));
  await (await stream).waitForEvent("framereceived"); // until here nothing is asked of the tab: that would count as a click
  const isMuted = () => tab.evaluate(() => document.querySelector("video")?.muted);
  await shows(house, tab, "news", "blue");
  assert.equal(await isMuted(), true);
  await tab.getByTestId("unmute").click();
  await tab.getByTestId("unmute").waitFor({ state: "detached" });
  assert.equal(await isMuted(), false);
  await plays(house, page, "news", "blue"); // two tabs are two viewers
}

async function lostAndFound(house: House): Promise<void> {
  const context = await house.browser.newContext();
  await context.addInitScript(() => {
    const sockets: WebSocket[] = [];
    Object.assign(window, { sockets });
    window.WebSocket = class extends WebSocket {
      constructor(...args: ConstructorParameters<typeof WebSocket>) {
        super(...args);
        sockets.push(this);
      }
    };
  });
  const page = await openTab(house, context);
  await signIn(house, page, "alice");
  await tile(page, "sport").click();
  await shows(house, page, "sport", "green");
  await Promise.all([newStream(page), breakSockets(page, "/sip/")]);
  await shows(house, page, "sport", "green");
  await page.keyboard.press("ArrowUp");
  await shows(house, page, "news", "blue");
  await Promise.all([newStream(page), breakSockets(page, "/media/")]);
  await plays(house, page, "news", "blue");
  const bob = await open(house); // what the lost sessions held is free
  await signIn(house, bob, "bob");
  await tile(bob, "news").click();
  await admitted(bob, "news");
  await context.clearCookies(); // as if the session had run out
  await breakSockets(page, "/sip/");
  await page.getByTestId("sign-in-form").waitFor();
}

/** Breaks the page's WebSockets below that path. */
const breakSockets = (page: Page, path: string) =>
  page.evaluate((path) => {
    const { sockets } = window as unknown as { readonly sockets: readonly WebSocket[] };
    for (const socket of sockets) if (new URL(socket.url).pathname.startsWith(path)) socket.close();
  }, path);

async function keyboard(house: House): Promise<void> {
  const page = await open(house);
  const tabTo = (testId: string) =>
    until(`the focus on ${testId}`, async () => {
      await page.keyboard.press("Tab");
      return (await page.locator(`[data-testid="${testId}"]:focus`).count()) > 0 ? true : undefined;
    });
  await tabTo("user");
  await page.keyboard.type("alice");
  await tabTo("password");
  await page.keyboard.type("alice-demo");
  await page.keyboard.press("Enter");
  await page.getByTestId("account").waitFor();
  await tabTo("channel-news");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await shows(house, page, "sport", "green");
  await tabTo("leave");
  await page.keyboard.press("Enter");
  await player(page, "sport").waitFor({ state: "detached" });
  const made = Promise.withResolvers<void>(); // a server that is slow to list secrets keeps nobody from making one
  await page.route("**/api/device-secrets", async (route) => {
    if (route.request().method() === "GET") await made.promise;
    await route.continue();
  });
  await tabTo("account");
  await page.keyboard.press("Enter");
  await tabTo("device-label");
  await page.keyboard.type("kitchen");
  await page.keyboard.press("Enter");
  await page.getByTestId("fresh-secret").waitFor();
  made.resolve();
  await page.keyboard.press("Escape");
  await page.getByTestId("account-panel").waitFor({ state: "detached" });
}

async function signOut(house: House): Promise<void> {
  const page = await open(house);
  const sockets = new Set<string>();
  page.on("websocket", (socket) => {
    sockets.add(socket.url());
    socket.on("close", () => sockets.delete(socket.url()));
  });
  await signIn(house, page, "alice");
  await tile(page, "news").click();
  await shows(house, page, "news", "blue");
  assert.equal(sockets.size, 2);
  const tab = await openTab(house, page.context());
  await tab.getByTestId("account").waitFor();
  await page.getByTestId("sign-out").click();
  await page.getByTestId("sign-in-form").waitFor();
  await until("the end of every WebSocket", () => sockets.size === 0);
  await tab.getByTestId("sign-in-form").waitFor();
}

async function foreignOrigin({ ready }: House): Promise<void> {
  for (const path of ["/sip/ds1", "/media/edge1.token"]) {
    const status = await new Promise((done, failed) => {
      const headers = {
        connection: "Upgrade",
        upgrade: "websocket",
        origin: "http://elsewhere.example",
        "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "sec-websocket-protocol": "sip",
      };
      const handshake = request(new URL(path, ready.web), { headers }, (response) => done(response.statusCode));
      handshake
        .on("upgrade", () => done(101))
        .on("error", failed)
        .end();
    });
    assert.equal(status, 403, path);
  }
}
