import { type RefObject, useEffect, useRef, useState } from "react";
import { type PageState, sentence } from "#client/index.ts";
import type { ApiChannel } from "#http/api.ts";
import { clock } from "./format.ts";
import { Icon } from "./icons.tsx";
import { usePicture } from "./picture.ts";

/** A channel as the stage shows it; the guide may not know it (yet). */
type Shown = Pick<ApiChannel, "name" | "title"> & Partial<ApiChannel> & { readonly number?: number };

/** A stream that broke: so long the DS has to say that the channel has ended. */
const AGAIN_MS = 500;

interface PlayerProps {
  readonly channel: Shown;
  readonly state: PageState;
  readonly digits: string;
  readonly again: () => void;
  readonly step: (by: number) => void;
  readonly leave: () => void;
}

/** The stage: picture, what is on, controls, and a plain sentence when there is no picture. */
export function Player({ channel, digits, again, step, leave, ...props }: PlayerProps) {
  const state = stateOf(channel.name, props.state);
  const stage = useRef<HTMLElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const picture = usePicture(video, useStream(state));
  const sound = useSound(video, picture.isSilenced);
  useEffect(() => {
    if (channel.name) stage.current?.focus(); // from here the arrow keys change channels
  }, [channel.name]);
  const hasPlayed = picture.firstFrameMs !== undefined;
  useEffect(() => {
    if (!picture.isBroken || !hasPlayed) return;
    const timer = window.setTimeout(again, AGAIN_MS); // a token is good for one connection: ask for the channel anew
    return () => window.clearTimeout(timer);
  }, [picture.isBroken, hasPlayed, again]);
  const refusal = refusalOf(state, picture.isBroken && !hasPlayed);
  return (
    <section
      ref={stage}
      className="player"
      tabIndex={-1}
      aria-label={`Player: ${channel.title}`}
      data-testid="player"
      data-state={state.kind}
      data-channel={channel.name}
      data-first-frame-ms={picture.firstFrameMs}
      data-invite-to-ok-ms={state.kind === "watching" ? state.inviteToOkMs : undefined}
    >
      {/* biome-ignore lint/a11y/useMediaCaption: live broadcasts of people; a captions track in the stream would be shown */}
      <video ref={video} playsInline onDoubleClick={() => toggleFullScreen(stage.current)} data-testid="video" />
      {!hasPlayed && refusal === undefined && <TuningIn title={channel.title} />}
      <p key={channel.name} className="banner" aria-hidden="true">
        {channel.number !== undefined && <span className="number">{channel.number}</span>}
        <span className="title">{channel.title}</span>
        <span className="owner">{channel.owner}</span>
      </p>
      {digits !== "" && (
        <output className="digits" aria-label="Channel number">
          {digits}
        </output>
      )}
      <div role="alert" className="refusal">
        {refusal && <p data-testid="refusal">{refusal}</p>}
        {refusal && (
          <button type="button" className="primary" onClick={again}>
            Try again
          </button>
        )}
      </div>
      {sound.mutedBy === "browser" && hasPlayed && (
        <button type="button" className="primary unmute" onClick={sound.toggle} data-testid="unmute">
          <Icon name="soundOff" /> Turn sound on
        </button>
      )}
      <div className="controls">
        <button type="button" aria-label={sound.isMuted ? "Sound on" : "Mute"} onClick={sound.toggle}>
          <Icon name={sound.isMuted ? "soundOff" : "soundOn"} />
        </button>
        <input type="range" aria-label="Volume" min="0" max="1" step="0.05" value={sound.volume} onChange={sound.onVolume} />
        {hasPlayed && <span className="live">Live</span>}
        <span className="spacer" />
        <button type="button" aria-label="Next channel" onClick={() => step(1)}>
          <Icon name="up" />
        </button>
        <button type="button" aria-label="Previous channel" onClick={() => step(-1)}>
          <Icon name="down" />
        </button>
        <button type="button" aria-label="Full screen" onClick={() => toggleFullScreen(stage.current)}>
          <Icon name="full" />
        </button>
        <button type="button" aria-label="Stop watching" onClick={leave} data-testid="leave">
          <Icon name="close" />
        </button>
      </div>
    </section>
  );
}

/** What is on, under the picture; the rate is that of the rendition that plays or did last, else the channel's highest. */
export function About({ channel, state }: Pick<PlayerProps, "channel" | "state">) {
  const { title, owner, sinceWallMs, site } = channel;
  const watched = useRef(state);
  if (state.kind === "watching") watched.current = state;
  const kbps =
    watched.current.kind === "watching" && watched.current.channel === channel.name ? watched.current.kbps : channel.kbps;
  const facts = [
    owner,
    sinceWallMs !== undefined && `on air since ${clock(sinceWallMs)}`,
    site && `from ${site}`,
    kbps !== undefined && `${kbps.toLocaleString()}\u00a0kbit/s`,
  ];
  return (
    <div className="on-now">
      <h1>{title}</h1>
      <p className="quiet">{facts.filter(Boolean).join(" · ")}</p>
      <p className="quiet keys">
        <kbd>↑</kbd> <kbd>↓</kbd> or a channel's number change the channel.
      </p>
    </div>
  );
}

function TuningIn({ title }: { title: string }) {
  return (
    <p className="tuning" role="status">
      <span className="spinner" aria-hidden="true" />
      Tuning in to {title}…
    </p>
  );
}

function refusalOf(state: PageState, isUnplayable: boolean): string | undefined {
  if (state.kind === "refused" || state.kind === "failed") return sentence(state.status, state.warning, state.reason);
  return isUnplayable ? sentence(undefined, undefined, "media-gone") : undefined;
}

/** The state as far as it is about that channel: the channel before may still have to end. */
const stateOf = (channel: string, state: PageState): PageState =>
  state.channel === undefined || state.channel === channel ? state : { kind: "calling", channel };

/**
 * The stream goes on while the way to a DS is lost and found again (media never passes a DS, DESIGN §6), while another channel
 * is asked for in its place, and where that is refused (PROTOCOL §6).
 */
function useStream(state: PageState): string | undefined {
  const call = useRef(state);
  if (state.kind !== "offline" && state.kind !== "registering" && state.kind !== "registered") call.current = state;
  return "url" in call.current ? call.current.url : undefined;
}

const VOLUME_KEY = "sipcast.volume";

function useSound(video: RefObject<HTMLVideoElement | null>, isSilenced: boolean) {
  const [volume, setVolume] = useState(() => Number(localStorage.getItem(VOLUME_KEY) ?? 1));
  const [mutedBy, setMutedBy] = useState<"browser" | "person">();
  useEffect(() => {
    if (isSilenced) setMutedBy("browser");
  }, [isSilenced]);
  const isMuted = mutedBy !== undefined;
  useEffect(() => {
    if (video.current === null) return;
    video.current.volume = volume;
    video.current.muted = isMuted;
    localStorage.setItem(VOLUME_KEY, String(volume));
  }, [video, volume, isMuted]);
  return {
    volume: isMuted ? 0 : volume,
    isMuted,
    mutedBy,
    toggle: () => {
      setMutedBy(isMuted ? undefined : "person");
      if (isMuted && video.current?.paused) void video.current.play();
    },
    onVolume: (event: { target: { value: string } }) => {
      const wanted = Number(event.target.value);
      if (wanted > 0) setVolume(wanted);
      setMutedBy(wanted === 0 ? "person" : undefined);
    },
  };
}

function toggleFullScreen(stage: HTMLElement | null): void {
  const done = document.fullscreenElement ? document.exitFullscreen() : stage?.requestFullscreen();
  done?.catch(() => undefined); // the browser may refuse; the page stays as it is
}

export function shown(name: string, channels: readonly ApiChannel[] | undefined): Shown {
  const at = channels?.findIndex((channel) => channel.name === name) ?? -1;
  const channel = channels?.[at];
  return channel ? { ...channel, number: at + 1 } : { name, title: name };
}
