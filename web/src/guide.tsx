import type { CSSProperties, KeyboardEvent } from "react";
import type { ApiChannel } from "#http/api.ts";
import { clock } from "./format.ts";

interface GuideProps {
  readonly channels: readonly ApiChannel[] | undefined;
  readonly wanted: string | undefined;
  readonly choose: (name: string) => void;
}

/** The channel guide [B6]: on air first; a channel's number is its place in the whole list. */
export function Guide({ channels, wanted, choose }: GuideProps) {
  if (channels === undefined) return <p className="empty">Looking for channels…</p>;
  if (channels.length === 0) return <NothingYet />;
  const numbered = channels.map((channel, at) => ({ channel, number: at + 1 }));
  const live = numbered.filter(({ channel }) => channel.onAir);
  const idle = numbered.filter(({ channel }) => !channel.onAir);
  const tiles = (some: typeof numbered) =>
    some.map(({ channel, number }) => (
      <li key={channel.name}>
        <Tile channel={channel} number={number} isCurrent={channel.name === wanted} choose={choose} />
      </li>
    ));
  return (
    <div className="guide">
      <h2>
        On air <span className="count">{live.length}</span>
      </h2>
      {live.length > 0 ? (
        <ul className="grid">{tiles(live)}</ul>
      ) : (
        <p className="empty">Nobody is on air right now. It will show here at once.</p>
      )}
      {idle.length > 0 && (
        <>
          <h2>Off air</h2>
          <ul className="grid small">{tiles(idle)}</ul>
        </>
      )}
    </div>
  );
}

function NothingYet() {
  return (
    <div className="empty">
      <h2>No channels yet</h2>
      <p>Yours could be the first: create an account with a channel title, then go on air from your computer.</p>
    </div>
  );
}

function Tile({
  channel,
  number,
  isCurrent,
  choose,
}: { channel: ApiChannel; number: number; isCurrent: boolean } & Pick<GuideProps, "choose">) {
  return (
    <button
      type="button"
      className={channel.onAir ? "tile" : "tile off"}
      data-testid={`channel-${channel.name}`}
      aria-current={isCurrent}
      onClick={() => choose(channel.name)}
      onKeyDown={moveFocus}
    >
      <span className="art" style={{ "--hue": hueOf(channel.name) } as CSSProperties} aria-hidden="true">
        {initials(channel.title)}
      </span>
      {channel.onAir && <span className="live">Live</span>}
      <span className="about">
        <span className="number">{number}</span>
        <span className="title">{channel.title}</span>
        <span className="owner">
          {channel.owner}
          {channel.sinceWallMs !== undefined && <span className="since"> · since {clock(channel.sinceWallMs)}</span>}
        </span>
      </span>
    </button>
  );
}

/** Arrow keys move among the tiles as they lie on the screen, as on a television. */
function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  const [dx, dy] = DIRECTIONS[event.key] ?? [0, 0];
  const from = event.currentTarget;
  const tiles = from.closest(".guide")?.querySelectorAll<HTMLElement>(".tile");
  if ((dx === 0 && dy === 0) || tiles === undefined) return;
  const here = middle(from);
  const distance = (tile: HTMLElement): number => {
    const there = middle(tile);
    const along = (there.x - here.x) * dx + (there.y - here.y) * dy;
    const across = Math.abs((there.x - here.x) * dy) + Math.abs((there.y - here.y) * dx);
    return along < 8 ? Infinity : along + 3 * across;
  };
  const others = [...tiles].filter((tile) => distance(tile) < Infinity);
  const next = others.sort((a, b) => distance(a) - distance(b))[0];
  if (next === undefined) return;
  event.preventDefault();
  next.focus();
}
const DIRECTIONS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
function middle(element: HTMLElement): { x: number; y: number } {
  const { x, y, width, height } = element.getBoundingClientRect();
  return { x: x + width / 2, y: y + height / 2 };
}

const initials = (title: string): string =>
  title
    .split(/\s+/)
    .slice(0, 2)
    .map((word) => word[0] ?? "")
    .join("")
    .toUpperCase();
/** The same colour for a channel every day. */
const hueOf = (name: string): number => {
  const hash = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 65_521, 9);
  return Math.round(hash * GOLDEN_ANGLE) % 360; // spreads hashes that lie close together
};
const GOLDEN_ANGLE = 137.508;
