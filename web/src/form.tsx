import { type ReactNode, useId } from "react";
import type { ApiError } from "./api.ts";

interface FieldProps {
  readonly name: string;
  readonly label: string;
  readonly type?: "text" | "password" | "number";
  readonly hint?: string;
  readonly error?: ApiError | undefined;
  readonly autoComplete?: string;
  readonly required?: boolean;
  readonly defaultValue?: string | number;
  readonly testId?: string;
}

/** A labelled input; the server's complaint about this field stands under it. */
export function Field({ name, label, type = "text", hint, error, testId, ...input }: FieldProps) {
  const id = useId();
  const complaint = error?.failure.field === name ? error.message : undefined;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        {...input}
        id={id}
        name={name}
        type={type}
        data-testid={testId}
        min={type === "number" ? 1 : undefined}
        autoCapitalize="none"
        spellCheck={false}
        aria-invalid={complaint !== undefined}
        aria-describedby={`${id}-about`}
      />
      <p id={`${id}-about`} className={complaint ? "complaint" : "hint"}>
        {complaint ?? hint}
      </p>
    </div>
  );
}

/** What is wrong with the form as a whole; field complaints are read out here too. */
export function Complaint({ error }: { error: ApiError | undefined }) {
  return (
    <p className={error?.failure.field === undefined ? "complaint" : "for-readers"} role="alert">
      {error?.message}
    </p>
  );
}

/** Hands over the fields as text, trimmed, without those left empty. Passwords are passed as typed. */
export function Form({ onSubmit, children, testId }: { onSubmit(fields: Fields): void; children: ReactNode; testId?: string }) {
  return (
    <form
      data-testid={testId}
      onSubmit={(event) => {
        event.preventDefault();
        const entries = [...new FormData(event.currentTarget)].map(([name, value]) => [
          name,
          name === "password" ? String(value) : String(value).trim(),
        ]);
        onSubmit(Object.fromEntries(entries.filter(([, value]) => value !== "")));
      }}
    >
      {children}
    </form>
  );
}
export type Fields = Readonly<Record<string, string>>;
