import { FAULTS, type Failure, type Fault } from "../types.ts";

/** What may be signed up. Ranges are inclusive; lengths count UTF-16 units. */
export const RULES = {
  name: /^[a-z][a-z0-9-]{1,30}$/,
  password: { min: 8, max: 128 },
  title: { min: 1, max: 80 },
  label: { min: 1, max: 40 },
  accessKbps: { min: 64, max: 10_000_000, default: 10_000 },
  channelKbps: { min: 64, max: 20_000, default: 1_000 },
} as const;
interface Range {
  readonly min: number;
  readonly max: number;
}
/** Names that mean something to a server or to a person's trust. */
const RESERVED = new Set(
  "abuse admin administrator anonymous conference edge emergency help hostmaster info join operator postmaster presence recovery registrar registration rls root security service sip sips sipcast sos support system web webmaster".split(
    " ",
  ),
);

export const failure = (error: Fault, message: string, field?: string): Failure =>
  field === undefined ? { error, message } : { error, message, field };

/** Each answers what is wrong, for the person who typed it. */
export function checkName(name: unknown, field: string): Failure | undefined {
  if (typeof name !== "string" || !RULES.name.test(name)) {
    return failure(FAULTS.badName, "A name has 2 to 31 small letters, digits and hyphens, and begins with a letter.", field);
  }
  return RESERVED.has(name)
    ? failure(FAULTS.badName, `The name “${name}” is reserved. Please choose another.`, field)
    : undefined;
}

export function checkPassword(password: unknown): Failure | undefined {
  const { min, max } = RULES.password;
  if (typeof password !== "string" || password.length < min) {
    return failure(FAULTS.weakPassword, `A password needs at least ${min} characters.`, "password");
  }
  return password.length > max
    ? failure(FAULTS.weakPassword, `A password has at most ${max} characters.`, "password")
    : undefined;
}

export function checkText(text: unknown, { min, max }: Range, field: string): Failure | undefined {
  const fits = typeof text === "string" && text.trim().length >= min && text.length <= max && !/\p{Cc}/u.test(text);
  return fits ? undefined : failure(FAULTS.badValue, `The ${field} has ${min} to ${max} characters on one line.`, field);
}

export function checkKbps(kbps: unknown, { min, max }: Range, field: string): Failure | undefined {
  const fits = Number.isInteger(kbps) && (kbps as number) >= min && (kbps as number) <= max;
  const inWords = (value: number): string => value.toLocaleString("en");
  return fits
    ? undefined
    : failure(FAULTS.badValue, `The rate is a whole number from ${inWords(min)} to ${inWords(max)} kbit/s.`, field);
}
