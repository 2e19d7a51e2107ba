/** For tests: people who sign up at an operator's page. */
import assert from "node:assert/strict";
import type { ApiNewDeviceSecret, ApiSession } from "#http/api.ts";

/** Somebody with an account, signed in. */
export interface SignedUp {
  readonly user: string;
  /** Member name of the DS. */
  readonly home: string;
  /** For a SIP device. */
  readonly secret: string;
  /** Of his own. */
  readonly channel: string;
  readonly cookie: string;
}

/** This file as a program, for an operator in a network of its own: signs users up at a page, and prints them. */
export const SIGN_UP = import.meta.filename;
const PASSWORD = "a-long-password";

/** What the page posts to its API. */
export function post(web: string, where: string, body: object, cookie = ""): Promise<Response> {
  const headers = { "content-type": "application/json", origin: web, cookie };
  return fetch(`${web}/api/${where}`, { method: "POST", headers, body: JSON.stringify(body) });
}

/** Signs somebody up, with a channel and a device secret. */
export async function signUp(web: string, user: string): Promise<SignedUp> {
  const answer = await post(web, "sign-up", { user, password: PASSWORD, channelTitle: `${user} on air` });
  assert.equal(answer.status, 201, `${user} signs up`);
  const cookie = answer.headers.getSetCookie()[0]?.split(";")[0] ?? "";
  const { home, channels } = (await answer.json()) as ApiSession;
  const device = await post(web, "device-secrets", { label: "test" }, cookie);
  const { secret } = (await device.json()) as ApiNewDeviceSecret;
  return { user, home, secret, channel: channels[0]?.name ?? "", cookie };
}

if (import.meta.main) {
  const [web = "", ...users] = process.argv.slice(2);
  const people: SignedUp[] = [];
  for (const user of users) people.push(await signUp(web, user));
  process.stdout.write(`${JSON.stringify(people)}\n`);
}
