import type { FoundRow, Json, MemberId, MemberView, OverlayNode, Reply, TableView } from "#overlay/index.ts";

/** What `sipcast ctl` asks of a service: one line of JSON. */
export type Ask =
  | { readonly ask: "members" }
  | { readonly ask: "tables" }
  | { readonly ask: "row"; readonly key: string }
  /** Without an incarnation, the one that is known. */
  | { readonly ask: "dead"; readonly member: MemberId; readonly incarnation?: number };

/** What it is told. `silent`: members that did not answer. */
export interface Told {
  readonly members: { readonly by: MemberId; readonly members: readonly MemberView[] };
  readonly tables: { readonly tables: readonly (TableView & At)[]; readonly silent: readonly MemberId[] };
  readonly row: { readonly rows: readonly (FoundRow & At)[]; readonly silent: readonly MemberId[] };
  readonly dead: { readonly member: MemberId; readonly incarnation: number };
}
interface At {
  /** Whose view it is. */
  readonly at: MemberId;
}
/** One line, too. */
export type Answer = { readonly ok: true; readonly told: Told[Ask["ask"]] } | { readonly ok: false; readonly reason: string };

/** Under which members ask one another for tables and rows. */
const TOPIC = "ctl";

/** Lets every member, of whatever process, look at this one. */
export function answerMembers(overlay: OverlayNode): void {
  overlay.handle(TOPIC, (body, _from, reply) => {
    const ask = readAsk(body);
    if (ask?.ask === "tables") reply(overlay.inspect().tables as unknown as Json);
    else if (ask?.ask === "row") reply(overlay.lookUp(ask.key) as unknown as Json);
    else reply([]);
  });
}

/** Answers as one member, which asks all. */
export function answer(overlay: OverlayNode, body: unknown, told: (answer: Answer) => void): void {
  const ask = readAsk(body);
  switch (ask?.ask) {
    case undefined:
      told({ ok: false, reason: "This is no question that is known here." });
      return;
    case "members":
      told({ ok: true, told: { by: overlay.self.id, members: overlay.inspect().members } });
      return;
    case "tables":
      askAll<TableView>(overlay, ask, (tables, silent) => told({ ok: true, told: { tables, silent } }));
      return;
    case "row":
      askAll<FoundRow>(overlay, ask, (rows, silent) => told({ ok: true, told: { rows, silent } }));
      return;
    case "dead":
      overlay.whenCaughtUp(() => told(declareDead(overlay, ask)));
  }
}

function declareDead(overlay: OverlayNode, { member, incarnation }: Extract<Ask, { ask: "dead" }>): Answer {
  const known = incarnation ?? overlay.inspect().members.find(({ id }) => id === member)?.incarnation;
  if (known === undefined) return { ok: false, reason: `No member ${member} is present: give its incarnation as well.` };
  overlay.declareDead(member, known);
  return { ok: true, told: { member, incarnation: known } };
}

/** What every member has to say, itself included, in their order; and who says nothing. */
function askAll<Found>(
  overlay: OverlayNode,
  ask: Ask,
  told: (found: readonly (Found & At)[], silent: readonly MemberId[]) => void,
): void {
  const members = overlay.members().map(({ id }) => id);
  const replies = new Map<MemberId, Reply>();
  const foundAt = (at: MemberId): (Found & At)[] => {
    const reply = replies.get(at);
    return reply?.ok ? (reply.body as unknown as readonly Found[]).map((found) => ({ at, ...found })) : [];
  };
  for (const id of members)
    overlay.request(id, TOPIC, ask, (reply) => {
      replies.set(id, reply);
      if (replies.size < members.length) return;
      const silent = members.filter((one) => !replies.get(one)?.ok);
      told(members.flatMap(foundAt), silent);
    });
}

function readAsk(body: unknown): Ask | undefined {
  const { ask, key, member, incarnation } = Object(body) as Record<string, unknown>;
  if (ask === "members" || ask === "tables") return { ask };
  if (ask === "row" && typeof key === "string") return { ask, key };
  if (ask !== "dead" || typeof member !== "string") return undefined;
  if (incarnation === undefined) return { ask, member };
  return Number.isSafeInteger(incarnation) ? { ask, member, incarnation: Number(incarnation) } : undefined;
}
