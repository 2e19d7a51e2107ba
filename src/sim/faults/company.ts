import type { Binding } from "#sip/index.ts";
import type { Violation } from "../violation.ts";
import type { World, WorldBroadcaster, WorldPage, WorldPhone, WorldViewer } from "../world.ts";
import { askChannelOf, CAST, channelOf, type Device, type FaultScript, type Step } from "./script.ts";

type Agent<Kind extends string, Is> = { readonly kind: Kind; readonly user: string; readonly site: number; readonly agent: Is };
export type Person =
  | Agent<"broadcaster", WorldBroadcaster>
  | Agent<"viewer", WorldViewer | WorldPage>
  | Agent<"phone", WorldPhone>;
type Viewer = Extract<Person, { kind: "viewer" }>;

const DECLINED = 603;

/** Everybody who is in a run. */
export class Company {
  readonly #world: World;
  readonly #people: readonly Person[];

  constructor(world: World, { devices, rates }: FaultScript) {
    this.#world = world;
    this.#people = [
      ...CAST.broadcasters.map(
        (who) => ({ kind: "broadcaster", ...who, agent: world.broadcaster(who.user, who.site, rates[who.user]) }) as const,
      ),
      ...CAST.viewers.map((who) => ({ kind: "viewer", ...who, agent: viewer(world, who, devices[who.user]) }) as const),
      ...CAST.phones.map((who) => ({ kind: "phone", ...who, agent: phone(world, who, devices[who.user]) }) as const),
    ];
  }
  find(user: string): Person | undefined {
    return this.#people.find((person) => person.user === user);
  }

  /** What makes no sense is passed over. */
  take(step: Step & { readonly who: string }): void {
    const person = this.find(step.who);
    if (!person) return;
    if (step.do === "vanish" && person.agent.isThere) person.agent.vanish();
    else if (step.do === "come back") person.agent.arrive();
    else if (person.kind === "viewer") viewerDoes(person.agent, step);
    else if (person.kind === "phone") phoneDoes(person.agent, step);
    else broadcasterDoes(person.agent, step);
  }
  /** For whom some DS does not hold what was acknowledged last. */
  misplaced(): Violation[] {
    const servers = [...this.#world.servers.keys()].map((id) => [id, this.#world.bindings(id)] as const);
    return this.#people.flatMap(({ kind, user, agent }) =>
      servers.flatMap(([id, bindings]): Violation | [] => {
        const found = bindings.under(agent.aor).map(({ value }) => value);
        const isFound = found.length > 0 || agent.registration !== "registered";
        return isFound && (kind !== "phone" || isAsAcknowledged(agent, found))
          ? []
          : { rule: "a registrar's word does not hold", what: `${user} at ${id}: ${JSON.stringify(found)}` };
      }),
    );
  }
  /** Whatever anybody has is over. */
  hangUp(): void {
    for (const { kind, agent } of this.#people)
      if (kind === "viewer") agent.leave();
      else if (kind === "phone") agent.hangUp();
      else agent.end();
  }

  /** Who was told that nobody answered. */
  unanswered(): Violation[] {
    return this.#viewers().flatMap(({ user, agent: { refusal } }) =>
      ["timeout", "transport"].includes(refusal?.reason ?? "") && refusal?.status === undefined
        ? [{ rule: "a call got no answer", what: `${user}: ${refusal?.reason}` }]
        : [],
    );
  }
  /** What everybody thinks, against what the servers do. `isCalm`: a phone that rings has a caller; else it may have lost him. */
  misled(isCalm: boolean): Violation[] {
    const [ds] = this.#world.servers.values();
    if (!ds) throw new Error("No DS is up");
    const sessions = [...ds.tables.sessions.rows()].flatMap(({ value }) => (value.role === "viewer" ? [value] : []));
    const onAir = [...ds.tables.onAir.rows()].map(({ value }) => value);
    return this.#people.flatMap((person): Violation[] => {
      const { kind, user, agent } = person;
      if (kind === "phone" && isCalm && agent.isHeld) return [{ rule: "a call goes on after its end", what: user }];
      if (kind === "phone") return this.#halfCalls(user, isCalm ? "calls" : "talks");
      const rows =
        kind === "viewer"
          ? sessions.filter((session) => session.user === user).map(({ channel }) => channel)
          : onAir.filter(({ owner }) => owner === user).map(() => "on air");
      const state = agent.isThere ? agent.state : "gone";
      const thinks = state === "watching" && kind === "viewer" ? agent.channel : state === "on air" ? state : "";
      const isBad = state === "calling" || thinks !== rows.join(" ");
      return isBad
        ? [{ rule: "a person and his DS differ", what: `${user} is ${state}: ${thinks}; rows: ${rows.join(" ")}` }]
        : [];
    });
  }
  /** Of calls between phones. */
  #halfCalls(user: string, which: "calls" | "talks"): Violation[] {
    return CAST.phones.flatMap(({ user: other }) => {
      const here = this.#callsOf(user, which).filter((peer) => peer === other).length;
      const there = this.#callsOf(other, which).filter((peer) => peer === user).length;
      return here === there || other === user
        ? []
        : [{ rule: "a call has one end", what: `${user} has ${here} with ${other}, who has ${there}` }];
    });
  }
  #callsOf(user: string, which: "calls" | "talks"): readonly string[] {
    const person = this.find(user);
    return person?.kind === "phone" && person.agent.isThere ? person.agent[which] : [];
  }

  /** Who watches, and gets nothing in so many ms. */
  blind(withinMs: number): Violation[] {
    const watching = this.#viewers().filter(({ agent }) => agent.isThere && agent.state === "watching");
    const before = new Map(watching.map(({ user, agent }) => [user, agent.packets]));
    this.#world.run(withinMs);
    return watching
      .filter(({ user, agent }) => agent.state === "watching" && agent.packets <= (before.get(user) ?? 0))
      .map(({ user, agent }) => ({ rule: "a viewer sees no picture", what: `${user}, ${agent.channel}` }));
  }
  /** Who has something after everybody hung up. */
  busy(): Violation[] {
    return this.#people.flatMap((person) => {
      const { user, kind, agent } = person;
      const has = !agent.isThere ? "" : kind === "phone" ? agent.calls.join(" ") : agent.state;
      return ["calling", "watching", "on air"].includes(has) || (kind === "phone" && has !== "")
        ? [{ rule: "somebody has a call after all hung up", what: `${user}: ${has}` }]
        : [];
    });
  }
  #viewers(): readonly Viewer[] {
    return this.#people.filter((person) => person.kind === "viewer");
  }
}

/**
 * Of one that was taken back there is nothing. Of one that was made there is what was acknowledged, or what he asked for
 * since in the same count; it goes only with the connection that it was made on (RFC 5626 §5.3).
 */
function isAsAcknowledged({ acknowledged, instance, line }: WorldPhone, found: readonly Binding[]): boolean {
  if (!acknowledged) return true;
  const { callId, cseq, isBound } = acknowledged;
  const his = found.filter((binding) => binding.instance === `<${instance}>`);
  if (!isBound) return his.length === 0;
  if (his.length === 0) return line !== "udp";
  return his.every((binding) => binding.callId === callId && binding.cseq >= cseq);
}

function viewer(
  world: World,
  { user, site }: { user: string; site: number },
  device: Device | undefined,
): WorldViewer | WorldPage {
  if (device === "page") return world.page(user, site);
  return world.viewer(user, site, "replace", device === "unicast" ? device : "multicast");
}
function phone(world: World, { user, site }: { user: string; site: number }, device: Device | undefined): WorldPhone {
  return world.phone(user, site, device === "tcp" || device === "tls" ? device : "udp");
}

function viewerDoes(agent: WorldViewer | WorldPage, step: Step): void {
  if (step.do === "watch") agent.watch(step.channel, step.kbps);
  if (step.do === "leave") agent.leave();
}
function phoneDoes(agent: WorldPhone, step: Step): void {
  if (step.do === "call") agent.call(step.whom);
  if (step.do === "answer" && agent.isRinging) agent.answer();
  if (step.do === "decline" && agent.isRinging) agent.decline(DECLINED);
  if (step.do === "hang up") agent.hangUp();
  if (step.do === "register") agent.register();
  if (step.do === "unregister") agent.unregister();
}
function broadcasterDoes(agent: WorldBroadcaster, step: Step & { readonly who: string }): void {
  const isBusy = ["calling", "waiting", "on air"].includes(agent.state);
  if (step.do === "go live" && !isBusy) agent.goLive(channelOf(step.who));
  if (step.do === "wait" && !isBusy) agent.wait(askChannelOf(step.who), ...(step.refused === undefined ? [] : [step.refused]));
  if (step.do === "hang up") agent.end();
}
