import { useCallback, useEffect, useRef, useState } from "react";
import { type PageState, type PageViewer, pageViewer } from "#client/index.ts";
import { browserHost } from "#host/browser/index.ts";
import type { ApiChannel, ApiSession } from "#http/api.ts";
import { ApiError, api } from "./api.ts";

/**
 * Who is signed in: `undefined` = not known yet, `null` = nobody. All tabs agree: what one of them sets, the others ask
 * the server about; `check` asks it too.
 */
export function useSession() {
  const [session, setSession] = useState<ApiSession | null>();
  const check = useCallback(() => {
    const keep = (error: unknown) =>
      setSession((before) => (error instanceof ApiError && error.status === 0 ? (before ?? null) : null));
    api.session().then(setSession, keep);
  }, []);
  const tabs = useRef<BroadcastChannel>(undefined);
  useEffect(() => {
    check();
    tabs.current = new BroadcastChannel("sipcast.session");
    tabs.current.onmessage = check;
    return () => tabs.current?.close();
  }, [check]);
  const set = (next: ApiSession | null) => {
    setSession(next);
    tabs.current?.postMessage("changed");
  };
  return [session, set, check] as const;
}

const RECONNECT_MS = 5_000;

/** The guide as the server pushes it; `undefined` until it has arrived. */
export function useChannels(): readonly ApiChannel[] | undefined {
  const [channels, setChannels] = useState<readonly ApiChannel[]>();
  useEffect(() => {
    let source: EventSource;
    let retry: number | undefined;
    const open = () => {
      source = new EventSource("/api/events");
      source.addEventListener("channels", (event) => setChannels(JSON.parse(event.data)));
      source.addEventListener("error", () => {
        // The browser reconnects by itself, except after an answer that was not a stream.
        if (source.readyState === EventSource.CLOSED) retry = window.setTimeout(open, RECONNECT_MS);
      });
    };
    open();
    return () => {
      window.clearTimeout(retry);
      source.close();
    };
  }, []);
  return channels;
}

/** A path or URL of a WebSocket, under the page's own origin (PROTOCOL §14). */
export function socketUrl(pathOrUrl: string): string {
  const { pathname } = new URL(pathOrUrl, location.href);
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${pathname}`;
}

/** The page's SIP user agent, for as long as somebody is signed in; says BYE when the page goes. */
export function useViewer(session: ApiSession | null | undefined): [PageState, PageViewer | undefined] {
  const [state, setState] = useState<PageState>({ kind: "offline" });
  const [viewer, setViewer] = useState<PageViewer>();
  const user = session?.user;
  const domain = session?.domain;
  const paths = session?.sip.join(" ");
  useEffect(() => {
    if (user === undefined || domain === undefined || paths === undefined) return;
    const sipUrls = paths.split(" ").map(socketUrl);
    const agent = pageViewer(browserHost(), { user, domain, sipUrls, onState: setState });
    const onHide = () => agent.stop();
    const onShow = (event: PageTransitionEvent) => event.persisted && location.reload(); // back from the browser's cache
    agent.start();
    setViewer(agent);
    window.addEventListener("pagehide", onHide);
    window.addEventListener("pageshow", onShow);
    return () => {
      window.removeEventListener("pagehide", onHide);
      window.removeEventListener("pageshow", onShow);
      agent.stop();
      setViewer(undefined);
      setState({ kind: "offline" });
    };
  }, [user, domain, paths]);
  return [state, viewer];
}

/** The channel in the address bar (`#/NAME`): what the person wants to watch. Back and forward change channels. */
export function useWanted(): [string | undefined, (channel: string | undefined) => void] {
  const [wanted, setWanted] = useState(channelInHash);
  useEffect(() => {
    const onChange = () => setWanted(channelInHash());
    window.addEventListener("hashchange", onChange);
    return () => window.removeEventListener("hashchange", onChange);
  }, []);
  return [
    wanted,
    (channel) => {
      setWanted(channel); // at once: the event comes later than the next key
      location.hash = channel === undefined ? "/" : `/${encodeURIComponent(channel)}`;
    },
  ];
}

const channelInHash = () => decodeURIComponent(location.hash.replace(/^#\/?/, "")) || undefined;

const DIGITS_MS = 900;

/**
 * The keyboard as a remote control: arrows and page keys step through the channels on air, digits choose by number.
 * Returns the digits typed so far. Keys meant for a form, a slider or a tile are left alone.
 */
export function useRemote(channels: readonly ApiChannel[], wanted: string | undefined, choose: (name: string) => void): string {
  const [digits, setDigits] = useState("");
  const latest = useRef({ channels, wanted, choose });
  latest.current = { channels, wanted, choose };
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.altKey || event.metaKey || isOccupied(event.target)) return;
      const step = STEPS[event.key];
      if (step !== undefined) {
        const next = neighbour(latest.current.channels, latest.current.wanted, step);
        if (next === undefined) return;
        event.preventDefault();
        latest.current.choose(next);
      } else if (/^\d$/.test(event.key)) setDigits((typed) => (typed + event.key).slice(-4));
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  useEffect(() => {
    if (digits === "") return;
    const timer = window.setTimeout(() => {
      setDigits("");
      const channel = latest.current.channels[Number(digits) - 1];
      if (channel !== undefined) latest.current.choose(channel.name);
    }, DIGITS_MS);
    return () => window.clearTimeout(timer);
  }, [digits]);
  return digits;
}
const STEPS: Readonly<Record<string, number>> = { ArrowUp: 1, PageUp: 1, ArrowDown: -1, PageDown: -1 };

function isOccupied(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, textarea, select, dialog, .grid") !== null;
}

/** The next channel on air in that direction, around the ends. */
export function neighbour(channels: readonly ApiChannel[], from: string | undefined, step: number): string | undefined {
  const live = channels.filter((channel) => channel.onAir || channel.name === from);
  const at = live.findIndex((channel) => channel.name === from);
  const next = live[(at + step + live.length) % live.length] ?? live[0];
  return next?.name === from ? undefined : next?.name;
}

/** A call to the API from a form: its failure, whether it is under way, and how to start it. */
export function useCall() {
  const [error, setError] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  const run = async <T>(call: () => Promise<T>): Promise<T | undefined> => {
    setBusy(true);
    setError(undefined);
    try {
      return await call();
    } catch (caught) {
      if (!(caught instanceof ApiError)) throw caught;
      setError(caught);
      return undefined;
    } finally {
      setBusy(false);
    }
  };
  return { error, busy, run };
}
