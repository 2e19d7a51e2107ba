import { useEffect, useRef, useState } from "react";
import type { ApiSession } from "#http/api.ts";
import { api } from "./api.ts";
import { Complaint, Field, type Fields, Form } from "./form.tsx";
import { useCall } from "./hooks.ts";

/** Signs a person in or up; `onSession` gets the new session. */
export function SignIn({ onSession, wantedTitle }: { onSession(session: ApiSession): void; wantedTitle: string | undefined }) {
  const [isNew, setIsNew] = useState(false);
  const { error, busy, run } = useCall();
  const card = useRef<HTMLElement>(null);
  useEffect(() => {
    if (wantedTitle !== undefined) card.current?.querySelector("input")?.focus(); // a channel was chosen: this comes first
  }, [wantedTitle]);
  const submit = async ({ user = "", password = "", channelTitle }: Fields) => {
    const session = await run(() =>
      isNew ? api.signUp(channelTitle ? { user, password, channelTitle } : { user, password }) : api.signIn({ user, password }),
    );
    if (session) onSession(session);
  };
  return (
    <section ref={card} className="card sign-in" aria-labelledby="sign-in-title">
      <h2 id="sign-in-title">{isNew ? "Create your account" : "Sign in"}</h2>
      {wantedTitle && <p className="quiet">Then “{wantedTitle}” starts at once.</p>}
      <Form key={String(isNew)} onSubmit={submit} testId={isNew ? "sign-up-form" : "sign-in-form"}>
        <Field name="user" label="Name" autoComplete="username" required error={error} testId="user" />
        <Field
          name="password"
          label="Password"
          type="password"
          autoComplete={isNew ? "new-password" : "current-password"}
          required
          error={error}
          testId="password"
        />
        {isNew && (
          <Field
            name="channelTitle"
            label="Title of your own channel (optional)"
            hint="Anyone here can broadcast. You can add a channel later, too."
            error={error}
            testId="channel-title"
          />
        )}
        <Complaint error={error} />
        <button type="submit" className="primary" disabled={busy} data-testid="submit">
          {isNew ? "Sign up" : "Sign in"}
        </button>
      </Form>
      <p className="quiet">
        {isNew ? "You have an account already?" : "New here?"}{" "}
        <button type="button" className="link" data-testid="switch-form" onClick={() => setIsNew(!isNew)}>
          {isNew ? "Sign in" : "Create an account"}
        </button>
      </p>
    </section>
  );
}
