import type mpegtsModule from "mpegts.js";
import { type RefObject, useEffect, useState } from "react";
import { socketUrl } from "./hooks.ts";
import { streamLoader } from "./stream-loader.ts";

/** A CommonJS file whose types describe a `default` that only its bundle has. */
type Library = typeof mpegtsModule.default;
type LivePlayer = ReturnType<Library["createPlayer"]>;

/** Fetched while the person looks at the guide, so that it is there at the first click. */
let library: Promise<Library> | undefined;
export function loadLibrary(): Promise<Library> {
  library ??= import("mpegts.js").then((module) => module.default as unknown as Library);
  return library;
}

/** Behind live: mpegts.js plays faster until it is back at the target. Seconds. */
const TARGET_LATENCY_SEC = 0.4;
const MOST_LATENCY_SEC = 0.9;

export interface Picture {
  /** From the 2xx to the first picture on the screen, ms; `undefined` until then. */
  readonly firstFrameMs: number | undefined;
  /** The browser wants a click before it lets sound out. */
  readonly isSilenced: boolean;
  /** The stream broke or the browser cannot play it. */
  readonly isBroken: boolean;
}
const NOTHING: Picture = { firstFrameMs: undefined, isSilenced: false, isBroken: false };

/** Plays MPEG-TS from a WebSocket (PROTOCOL §3) in the video element for as long as `url` stays. */
export function usePicture(video: RefObject<HTMLVideoElement | null>, url: string | undefined): Picture {
  const [picture, setPicture] = useState(NOTHING);
  useEffect(() => {
    const element = video.current;
    if (url === undefined || element === null) return;
    const startMs = performance.now();
    const change = (some: Partial<Picture>) => isGone || setPicture((before) => ({ ...before, ...some }));
    let isGone = false;
    let player: LivePlayer | undefined;
    const frame = element.requestVideoFrameCallback((nowMs) => change({ firstFrameMs: Math.round(nowMs - startMs) }));
    setPicture(NOTHING);
    loadLibrary().then(
      (mpegts) => {
        if (isGone) return;
        player = start(mpegts, element, url);
        player.on(mpegts.Events.ERROR, () => change({ isBroken: true })); // it cannot be decoded
        player.on(mpegts.Events.LOADING_COMPLETE, () => change({ isBroken: true })); // live never completes
        play(element).then((isSilenced) => change({ isSilenced }));
      },
      () => change({ isBroken: true }),
    );
    return () => {
      isGone = true;
      element.cancelVideoFrameCallback(frame);
      player?.destroy();
      setPicture(NOTHING);
    };
  }, [video, url]);
  return picture;
}

function start(mpegts: Library, element: HTMLVideoElement, url: string): LivePlayer {
  const player = mpegts.createPlayer(
    { type: "mpegts", isLive: true, url: socketUrl(url) },
    {
      customLoader: streamLoader(mpegts),
      enableWorker: false,
      enableStashBuffer: false,
      deferLoadAfterSourceOpen: false,
      liveSync: true,
      liveSyncTargetLatency: TARGET_LATENCY_SEC,
      liveSyncMaxLatency: MOST_LATENCY_SEC,
      autoCleanupSourceBuffer: true,
      autoCleanupMaxBackwardDuration: 20,
      autoCleanupMinBackwardDuration: 10,
    },
  );
  player.attachMediaElement(element);
  player.load();
  return player;
}

/** Starts with sound where the browser allows it, else muted; answers whether it had to mute. */
async function play(element: HTMLVideoElement): Promise<boolean> {
  try {
    await element.play();
    return false;
  } catch (error) {
    if (!(error instanceof DOMException) || error.name !== "NotAllowedError") return false; // replaced by the next channel
    element.muted = true;
    await element.play().catch(() => undefined); // the button that asks for sound starts it
    return true;
  }
}
