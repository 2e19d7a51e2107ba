import { type RefObject, useEffect, useRef, useState } from "react";
import { type PageState, sentence } from "#client/index.ts";
import type { ApiChannel } from "#http/api.ts";
import { clock } from "./format.ts";
import { Icon } from "./icons.tsx";
import { type Picture, usePicture, usePictures } from "./picture.ts";

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

/** The stage: picture, what is on, controls, and a plain sentence where a picture is missing. */
export function Player({ channel, digits, again, step, leave, ...props }: PlayerProps) {
  const state = stateOf(channel.name, props.state);
  const stage = useRef<HTMLElement>(null);
  const url = useStream(channel.name, props.state);
  const isCalling = state.kind === "calling";
  const { streams, picture, onPicture } = usePictures(url, isCalling);
  const sound = useSound(stage, picture.isSilenced);
  useEffect(() => {
    if (channel.name) stage.current?.focus(); // from here the arrow keys change channels
  }, [channel.name]);
  const hasPlayed = picture.firstFrameMs !== undefined;
  const isLost = state.kind === "watching" && picture.isBroken && hasPlayed;
  useEffect(() => {
    if (!isLost) return;
    const timer = window.setTimeout(again, AGAIN_MS); // a token is good for one connection: ask for the channel anew
    return () => window.clearTimeout(timer);
  }, [isLost, again]);
  const refusal = refusalOf(state, picture.isBroken && !hasPlayed && !isCalling);
  const isTuning = refusal === undefined && (isCalling || !hasPlayed);
  return (
    <section
      ref={stage}
      className="player"
      tabIndex={-1}
      aria-label={`Player: ${channel.title}`}
      data-testid="player"
      data-state={state.kind}
      data-channel={channel.name}
      data-picture={hasPlayed || streams.length > 1}
      data-first-frame-ms={picture.firstFrameMs}
      data-invite-to-ok-ms={state.kind === "watching" ? state.inviteToOkMs : undefined}
      onDoubleClick={({ target }) => target instanceof HTMLVideoElement && toggleFullScreen(stage.current)}
    >
      {streams.map((each) => (
        <Screen key={each} url={each} sound={sound} onPicture={each === url ? onPicture : undefined} />
      ))}
      {isTuning && <TuningIn title={channel.title} />}
      <Banner key={channel.name} channel={channel} />
      {digits !== "" && (
        <output className="digits" aria-label="Channel number">
          {digits}
        </output>
      )}
      <Refusal words={refusal} again={again} />
      {sound.mutedBy === "browser" && hasPlayed && (
        <button type="button" className="primary unmute" onClick={sound.toggle} data-testid="unmute">
          <Icon name="soundOff" /> Turn sound on
        </button>
      )}
      <Controls
        sound={sound}
        isLive={hasPlayed && refusal === undefined}
        step={step}
        leave={leave}
        fullScreen={() => toggleFullScreen(stage.current)}
      />
    </section>
  );
}

interface ScreenProps {
  readonly url: string;
  readonly sound: Pick<Sound, "volume" | "isMuted">;
  readonly onPicture: ((picture: Picture) => void) | undefined;
}
/** One stream, in a video of its own; nothing is seen of it until it has a picture. */
function Screen({ url, sound: { volume, isMuted }, onPicture }: ScreenProps) {
  const video = useRef<HTMLVideoElement>(null);
  const picture = usePicture(video, url);
  useEffect(() => onPicture?.(picture), [picture, onPicture]);
  useEffect(() => {
    if (video.current !== null) Object.assign(video.current, { volume, muted: isMuted });
  }, [volume, isMuted]);
  // biome-ignore lint/a11y/useMediaCaption: live broadcasts of people; a captions track in the stream would be shown
  return <video ref={video} playsInline data-testid="video" />;
}

interface ControlsProps extends Pick<PlayerProps, "step" | "leave"> {
  readonly sound: Sound;
  readonly isLive: boolean;
  readonly fullScreen: () => void;
}
function Controls({ sound, isLive, step, leave, fullScreen }: ControlsProps) {
  return (
    <div className="controls">
      <button type="button" aria-label={sound.isMuted ? "Sound on" : "Mute"} onClick={sound.toggle}>
        <Icon name={sound.isMuted ? "soundOff" : "soundOn"} />
      </button>
      <input type="range" aria-label="Volume" min="0" max="1" step="0.05" value={sound.volume} onChange={sound.onVolume} />
      {isLive && <span className="live">Live</span>}
      <span className="spacer" />
      <button type="button" aria-label="Next channel" onClick={() => step(1)}>
        <Icon name="up" />
      </button>
      <button type="button" aria-label="Previous channel" onClick={() => step(-1)}>
        <Icon name="down" />
      </button>
      <button type="button" aria-label="Full screen" onClick={fullScreen}>
        <Icon name="full" />
      </button>
      <button type="button" aria-label="Stop watching" onClick={leave} data-testid="leave">
        <Icon name="close" />
      </button>
    </div>
  );
}

/** Stands there empty too: readers of the screen are told what comes into it. */
function Refusal({ words, again }: { words: string | undefined } & Pick<PlayerProps, "again">) {
  return (
    <div role="alert" className="refusal">
      {words !== undefined && (
        <>
          <p data-testid="refusal">{words}</p>
          <button type="button" className="primary" onClick={again}>
            Try again
          </button>
        </>
      )}
    </div>
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

function Banner({ channel: { number, title, owner } }: Pick<PlayerProps, "channel">) {
  return (
    <p className="banner" aria-hidden="true">
      {number !== undefined && <span className="number">{number}</span>}
      <span className="title">{title}</span>
      <span className="owner">{owner}</span>
    </p>
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

const isAbout = (channel: string, state: PageState): boolean => state.channel === undefined || state.channel === channel;

/** The state as far as it is about that channel: the channel before may still have to end. */
const stateOf = (channel: string, state: PageState): PageState =>
  isAbout(channel, state) ? state : { kind: "calling", channel };

/**
 * The stream to play. It stays while the way to a DS is lost and found again (media never passes a DS, DESIGN §6), while another
 * channel is asked for in its place, and where that is refused (PROTOCOL §6).
 */
function useStream(channel: string, state: PageState): string | undefined {
  const stream = useRef<string>(undefined);
  const isAnswered = state.kind === "watching" || state.kind === "refused" || state.kind === "failed";
  if (isAnswered && isAbout(channel, state)) stream.current = "url" in state ? state.url : undefined;
  return stream.current;
}

type Sound = ReturnType<typeof useSound>;
const VOLUME_KEY = "sipcast.volume";

function useSound(stage: RefObject<HTMLElement | null>, isSilenced: boolean) {
  const [volume, setVolume] = useState(() => Number(localStorage.getItem(VOLUME_KEY) ?? 1));
  const [mutedBy, setMutedBy] = useState<"browser" | "person">();
  useEffect(() => {
    if (isSilenced) setMutedBy("browser");
  }, [isSilenced]);
  const isMuted = mutedBy !== undefined;
  useEffect(() => localStorage.setItem(VOLUME_KEY, String(volume)), [volume]);
  return {
    volume: isMuted ? 0 : volume,
    isMuted,
    mutedBy,
    toggle: () => {
      setMutedBy(isMuted ? undefined : "person");
      if (!isMuted) return;
      for (const video of stage.current?.querySelectorAll("video") ?? []) if (video.paused) void video.play();
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
