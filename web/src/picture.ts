import type mpegtsModule from "mpegts.js";
import { type RefObject, useEffect, useRef, useState } from "react";
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
  /** Where its stream is fetched. */
  readonly url: string | undefined;
  /** From the 2xx to the first picture on the screen, ms; `undefined` until then. */
  readonly firstFrameMs?: number;
  /** The browser wants a click before it lets sound out. */
  readonly isSilenced: boolean;
  /** The stream broke or the browser cannot play it. */
  readonly isBroken: boolean;
}
const nothing = (url: string | undefined): Picture => ({ url, isSilenced: false, isBroken: false });

/**
 * The streams to be on the stage for that of `url`, which comes last and has `picture`: until it has its first, or cannot have
 * one, the one before goes on. `onPicture` is to be told of changes. `isChanging`: there will be another `url`, so that nobody
 * waits for this one.
 */
export function usePictures(url: string | undefined, isChanging: boolean) {
  const [latest, onPicture] = useState<Picture>();
  const picture = latest !== undefined && latest.url === url ? latest : nothing(url);
  const shown = useRef<string>(undefined);
  const isSettled = picture.firstFrameMs !== undefined || (picture.isBroken && !isChanging);
  if (url === undefined || isSettled) shown.current = url;
  const streams = [...new Set([shown.current, url])].filter((each) => each !== undefined);
  return { streams, picture, onPicture };
}

/** Plays MPEG-TS from a WebSocket (PROTOCOL §3) in the video element for as long as `url` stays. */
export function usePicture(video: RefObject<HTMLVideoElement | null>, url: string): Picture {
  const [picture, setPicture] = useState(() => nothing(url));
  useEffect(() => {
    const element = video.current;
    if (element === null) return;
    const startMs = performance.now();
    const change = (some: Partial<Picture>) => isGone || setPicture((before) => ({ ...before, ...some }));
    let isGone = false;
    let player: LivePlayer | undefined;
    const frame = element.requestVideoFrameCallback((nowMs) => change({ firstFrameMs: Math.round(nowMs - startMs) }));
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
