import type { OutgoingHttpHeaders } from "node:http";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type Static, type TSchema, Type } from "typebox";
import type { Account } from "#registration/types.ts";
import { FAULTS } from "#registration/types.ts";
import type { ApiChannel, ApiDeviceSecret, ApiNewDeviceSecret, ApiSession } from "./api.ts";
import type { EventStream } from "./events.ts";
import type { Guide } from "./guide.ts";
import { NOT_SIGNED_IN, type Refusal, type Registration, refusal } from "./registration.ts";
import type { Tries } from "./tries.ts";

export const SESSION_COOKIE = "sipcast";
const SESSION_SEC = 30 * 86_400;
const TOO_MANY_TRIES = refusal(429, "too-many-tries", "Too many attempts. Please wait a minute and try again.");
const TOO_MANY_LISTENERS = refusal(503, FAULTS.full, "Too many people are connected right now. Please try again in a moment.");

/** Only the form is checked here; what a good name or password is, registration knows. */
const Body = <T extends Record<string, TSchema>>(fields: T) => Type.Object(fields, { additionalProperties: false });
const Name = Type.String({ minLength: 1, maxLength: 64 });
const Title = Type.String({ minLength: 1, maxLength: 200 });
const Password = Type.String({ minLength: 1, maxLength: 1_024 });
const Kbps = Type.Integer({ minimum: 1, maximum: 10_000_000 });
const SIGN_UP = Body({ user: Name, password: Password, accessKbps: Type.Optional(Kbps), channelTitle: Type.Optional(Title) });
const SIGN_IN = Body({ user: Name, password: Password });
const SIGN_OUT = Body({});
const NEW_SECRET = Body({ label: Title });
const SECRET_ID = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });
const Mode = Type.Union([Type.Literal("open"), Type.Literal("ask")]);
const NEW_CHANNEL = Body({ name: Name, title: Title, kbps: Kbps, mode: Type.Optional(Mode) });

export interface ApiPorts {
  readonly registration: Registration;
  readonly guide: Guide;
  readonly events: EventStream;
  readonly tries: Tries;
  /** Member ids of the DSs that this server passes WebSockets to. */
  readonly dsIds: readonly string[];
}

/** Every call of `api.ts`. */
export function apiRoutes(app: FastifyInstance, ports: ApiPorts): void {
  sessionRoutes(app, ports);
  channelRoutes(app, ports);
  deviceSecretRoutes(app, ports);
}

function sessionRoutes(app: FastifyInstance, { registration, tries, dsIds }: ApiPorts): void {
  const open = (account: Account): ApiSession => ({
    ...account,
    sip: [account.home, ...dsIds.filter((id) => id !== account.home)]
      .filter((id) => dsIds.includes(id))
      .map((id) => `/sip/${id}`),
  });
  const begin = (request: FastifyRequest, reply: FastifyReply, session: string): void => {
    const secure = request.headers.origin?.startsWith("https:") ?? false;
    reply.setCookie(SESSION_COOKIE, session, { httpOnly: true, sameSite: "lax", path: "/", secure, maxAge: SESSION_SEC });
  };

  app.get("/api/session", async (request, reply) => {
    const session = sessionOf(request);
    if (session === undefined) return refuse(reply, NOT_SIGNED_IN);
    const account = await registration.ask("registration.session", { session });
    return account.ok ? open(account.value) : refuse(reply, account);
  });
  app.post<{ Body: Static<typeof SIGN_UP> }>("/api/sign-up", { schema: { body: SIGN_UP } }, async (request, reply) => {
    if (!tries.take(request.ip)) return refuse(reply, TOO_MANY_TRIES);
    const answer = await registration.ask("registration.sign-up", { ...request.body, address: addressOf(request) });
    if (!answer.ok) return refuse(reply, answer);
    begin(request, reply, answer.value.session);
    return reply.code(201).send(open(answer.value.account));
  });
  app.post<{ Body: Static<typeof SIGN_IN> }>("/api/sign-in", { schema: { body: SIGN_IN } }, async (request, reply) => {
    if (!tries.take(request.ip)) return refuse(reply, TOO_MANY_TRIES);
    const answer = await registration.ask("registration.sign-in", { ...request.body, address: addressOf(request) });
    if (!answer.ok) return refuse(reply, answer);
    begin(request, reply, answer.value.session);
    return open(answer.value.account);
  });
  app.post("/api/sign-out", { schema: { body: SIGN_OUT } }, async (request, reply) => {
    const session = sessionOf(request);
    if (session !== undefined) {
      const answer = await registration.ask("registration.sign-out", { session });
      if (!answer.ok) return refuse(reply, answer);
    }
    return reply.clearCookie(SESSION_COOKIE, { path: "/" }).code(204).send();
  });
}

function channelRoutes(app: FastifyInstance, { registration, guide, events }: ApiPorts): void {
  app.get("/api/channels", async (_request, reply) => {
    const answer = await guide.list();
    return answer.ok ? answer.value : refuse(reply, answer);
  });
  app.get("/api/events", async (_request, reply) => {
    const answer = await guide.list(); // has the guide loaded before the first event
    if (!answer.ok) return refuse(reply, answer);
    if (events.full) return refuse(reply, TOO_MANY_LISTENERS);
    reply.hijack();
    return events.listen(reply.raw, reply.getHeaders() as OutgoingHttpHeaders);
  });
  app.post<{ Body: Static<typeof NEW_CHANNEL> }>("/api/channels", { schema: { body: NEW_CHANNEL } }, async (request, reply) => {
    const session = sessionOf(request);
    if (session === undefined) return refuse(reply, NOT_SIGNED_IN);
    const answer = await registration.ask("registration.add-channel", { session, ...request.body });
    if (!answer.ok) return refuse(reply, answer);
    guide.learn(answer.value);
    const channel = guide.current().find(({ name }) => name === answer.value.name);
    return reply.code(201).send(channel satisfies ApiChannel | undefined);
  });
}

function deviceSecretRoutes(app: FastifyInstance, { registration }: ApiPorts): void {
  app.get("/api/device-secrets", async (request, reply) => {
    const session = sessionOf(request);
    if (session === undefined) return refuse(reply, NOT_SIGNED_IN);
    const answer = await registration.ask("registration.device-secrets", { session });
    return answer.ok ? (answer.value.secrets satisfies ApiDeviceSecret[]) : refuse(reply, answer);
  });
  app.post<{ Body: Static<typeof NEW_SECRET> }>(
    "/api/device-secrets",
    { schema: { body: NEW_SECRET } },
    async (request, reply) => {
      const session = sessionOf(request);
      if (session === undefined) return refuse(reply, NOT_SIGNED_IN);
      const answer = await registration.ask("registration.add-device-secret", { session, label: request.body.label });
      return answer.ok ? reply.code(201).send(answer.value satisfies ApiNewDeviceSecret) : refuse(reply, answer);
    },
  );
  app.delete<{ Params: Static<typeof SECRET_ID> }>(
    "/api/device-secrets/:id",
    { schema: { params: SECRET_ID } },
    async (request, reply) => {
      const session = sessionOf(request);
      if (session === undefined) return refuse(reply, NOT_SIGNED_IN);
      const answer = await registration.ask("registration.revoke-device-secret", { session, id: request.params.id });
      return answer.ok ? reply.code(204).send() : refuse(reply, answer);
    },
  );
}

const sessionOf = (request: FastifyRequest): string | undefined => request.cookies[SESSION_COOKIE];

/** Where the browser is, as IPv4 where it is that (RFC 4291 §2.5.5.2). */
const addressOf = (request: FastifyRequest): string => request.ip.replace(/^::ffff:(?=\d+\.)/, "");

/** The answer of a refused call; a session that has ended also loses its cookie. */
function refuse(reply: FastifyReply, { status, failure }: Refusal): FastifyReply {
  if (failure.error === FAULTS.noSession) reply.clearCookie(SESSION_COOKIE, { path: "/" });
  return reply.code(status).send(failure);
}
