import { useCallback, useEffect, useState } from "react";
import type { PageState } from "#client/index.ts";
import type { ApiSession } from "#http/api.ts";
import { AccountPanel } from "./account.tsx";
import { api } from "./api.ts";
import { Guide } from "./guide.tsx";
import { neighbour, useCall, useChannels, useRemote, useSession, useViewer, useWanted } from "./hooks.ts";
import { Wordmark } from "./icons.tsx";
import { loadLibrary } from "./picture.ts";
import { About, Player, shown } from "./player.tsx";
import { SignIn } from "./sign-in.tsx";

export function App() {
  const [session, setSession, checkSession] = useSession();
  const channels = useChannels();
  const [wanted, choose] = useWanted();
  const [state, viewer] = useViewer(session);
  const digits = useRemote(channels ?? [], wanted, choose);
  const isReady = state.kind !== "offline" && state.kind !== "registering";
  useEffect(() => {
    if (!isReady) return; // and again when the way to a DS has been found anew
    if (wanted === undefined) viewer?.leave();
    else viewer?.watch(wanted);
  }, [viewer, wanted, isReady]);
  useEffect(() => {
    if (session) void loadLibrary();
  }, [session]);
  useEffect(() => {
    if (state.kind === "offline" && viewer !== undefined) checkSession(); // an ended session is let in nowhere
  }, [state.kind, viewer, checkSession]);
  const again = useCallback(() => {
    if (wanted !== undefined) viewer?.watch(wanted);
  }, [viewer, wanted]);
  const step = (by: number) => {
    const next = neighbour(channels ?? [], wanted, by);
    if (next !== undefined) choose(next);
  };
  const channel = wanted === undefined ? undefined : shown(wanted, channels);
  useEffect(() => {
    document.title = channel && session ? `${channel.title} · sipcast` : "sipcast";
  }, [channel, session]);
  const isTheatre = session && channel;
  return (
    <>
      <TopBar session={session} setSession={setSession} state={state} channels={channels ?? []} />
      <main className={isTheatre ? "theatre" : "lobby"}>
        {isTheatre && (
          <div className="stage">
            <Player channel={channel} state={state} digits={digits} again={again} step={step} leave={() => choose(undefined)} />
            <About channel={channel} state={state} />
          </div>
        )}
        {session === null && (
          <div className="welcome">
            <div>
              <h1>Live television from the people around you.</h1>
              <p className="lead">
                Anyone on this network can broadcast, everyone can watch. Your picture has its place on the line before it starts.
              </p>
            </div>
            <SignIn onSession={setSession} wantedTitle={channel?.title} />
          </div>
        )}
        {session && !channel && <h1 className="for-readers">Channels</h1>}
        <Guide channels={channels} wanted={wanted} choose={choose} />
      </main>
    </>
  );
}

interface TopBarProps {
  readonly session: ApiSession | null | undefined;
  readonly setSession: (session: ApiSession | null) => void;
  readonly state: PageState;
  readonly channels: Parameters<typeof AccountPanel>[0]["channels"];
}

function TopBar({ session, setSession, state, channels }: TopBarProps) {
  const [isOpen, setOpen] = useState(false);
  const { error, run } = useCall();
  const signOut = () =>
    run(async () => {
      await api.signOut();
      setSession(null);
    });
  return (
    <header className="top">
      <a href="#/" aria-label="sipcast: all channels">
        <Wordmark />
      </a>
      <span className="spacer" />
      <span role="alert">{error?.message}</span>
      {session && (
        <>
          <Connection kind={state.kind} />
          <button type="button" onClick={() => setOpen(true)} data-testid="account">
            {session.user}
          </button>
          <button type="button" className="link" onClick={signOut} data-testid="sign-out">
            Sign out
          </button>
        </>
      )}
      {session && isOpen && <AccountPanel session={session} channels={channels} close={() => setOpen(false)} />}
    </header>
  );
}

/** Only worth a word while it is not there. */
function Connection({ kind }: Pick<PageState, "kind">) {
  const words = kind === "offline" ? "Connecting again…" : kind === "registering" ? "Connecting…" : undefined;
  return (
    <span className="connection" role="status" data-testid="connection" data-state={kind}>
      {words}
    </span>
  );
}
