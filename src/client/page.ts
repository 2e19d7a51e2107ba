import type { BrowserHost } from "#host/host.ts";
import { type RegistrationState, UserAgent, type UserAgentUser, WsUplink } from "#sip/ua.ts";
import { webSocketOffer } from "./descriptions.ts";
import type { Outcome } from "./outcome.ts";
import { NO_CALLS, Viewer, type ViewerState, type Watched } from "./viewer.ts";

/** What a page shows of its viewer. */
export type PageState =
  | { readonly kind: "offline" | "registering" | "registered"; readonly channel?: string }
  /** `url`, here and where a change was refused: of the picture before, which goes on. */
  | { readonly kind: "calling"; readonly channel: string; readonly url?: string }
  /** `url`: where the stream is to be fetched. `kbps`: its rate. `inviteToOkMs`: from the choice of the channel to its 2xx. */
  | {
      readonly kind: "watching";
      readonly channel: string;
      readonly url: string;
      readonly kbps: number;
      readonly inviteToOkMs: number;
    }
  /** `refused`: answered with a final status. `failed`: nobody answered, or it ended later. */
  | ({ readonly kind: "refused" | "failed"; readonly channel?: string; readonly url?: string } & Outcome);

export interface PageViewerOptions {
  readonly user: string;
  readonly domain: string;
  /** WebSocket URLs of the DSs, in the order to try (PROTOCOL §14). At least one. */
  readonly sipUrls: readonly string[];
  readonly onState: (state: PageState) => void;
}
export interface PageViewer {
  start(): void;
  /** Once the state is neither `offline` nor `registering`; after a reconnection again. */
  watch(channel: string): void;
  /** Harmless when nothing is watched. */
  leave(): void;
  /** BYE, goodbye to the registrar, and out. */
  stop(): void;
}

/** The viewer of a page: SIP over WebSocket under the page's own origin, where the cookie says who it is (PROTOCOL §14). */
export function pageViewer(host: BrowserHost, options: PageViewerOptions): PageViewer {
  const { user, domain, sipUrls, onState } = options;
  const [first, ...others] = sipUrls;
  if (first === undefined) throw new Error("A page needs the URL of a DS");
  const secure = first.startsWith("wss:");
  let isRegistered = false;
  const viewer: Viewer = new Viewer({
    invite: ({ channel }, body, replaces) =>
      agent.invite({ to: channel, ...(body && { body }), ...(replaces !== undefined && { replaces }) }),
    calls: { ack: (call, body) => agent.calls.ack(call, body), end: (call) => agent.calls.end(call) },
    clock: host,
    offer: () => webSocketOffer(host, secure),
    localHost: "0.0.0.0",
    onState: (state) => onState(pageState(state)),
  });
  const told: UserAgentUser = {
    onInvite: (call) => agent.calls.reject(call, NO_CALLS),
    onProvisional: () => viewer.onProvisional(),
    onAnswered: (call, response) => viewer.onAnswered(call, response),
    onEstablished: (call, ack) => viewer.onEstablished(call, ack),
    onEnded: (call, end) => viewer.onEnded(call, end),
    onRegistration(state) {
      const isRefresh = isRegistered && state.kind === "registered";
      isRegistered = state.kind === "registered";
      if (!isRefresh) onState(registrationState(state));
    },
  };
  const agent = new UserAgent(host, new WsUplink(host, [first, ...others]), { user, domain }, told);
  return {
    start: () => agent.register(),
    watch: (channel) => viewer.watch(channel),
    leave: () => viewer.leave(),
    stop() {
      viewer.leave();
      agent.unregister();
      agent.stop();
    },
  };
}

function registrationState(state: RegistrationState): PageState {
  switch (state.kind) {
    case "off":
    case "waiting":
      return { kind: "offline" };
    case "trying":
      return { kind: "registering" };
    case "registered":
      return { kind: "registered" };
    case "refused":
      return { kind: "failed", status: state.response.status };
  }
}

function pageState(state: ViewerState): PageState {
  switch (state.kind) {
    case "idle":
      return { kind: "registered" };
    case "calling":
      return { kind: "calling", channel: state.channel, ...urlOf(state.before) };
    case "watching": {
      const { channel, stream, setupMs, refused } = state;
      if (refused) return { kind: "refused", ...refused, ...urlOf(state) };
      if (stream.form !== "websocket") return { kind: "failed", channel, status: 488 };
      return { kind: "watching", channel, url: stream.url, kbps: stream.kbps, inviteToOkMs: setupMs };
    }
    case "ended":
      return { ...state, kind: state.status === undefined ? "failed" : "refused" };
  }
}

const urlOf = (watched: Watched | undefined): { readonly url?: string } =>
  watched?.stream.form === "websocket" ? { url: watched.stream.url } : {};
