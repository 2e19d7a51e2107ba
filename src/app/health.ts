import { CLIENT_TYPE, type CopsPep } from "#cops/index.ts";
import type { StatusReport } from "#http/index.ts";
import type { RoleName } from "#overlay/types.ts";
import type { Operator } from "#roles/operator.ts";

/** Why a role that has started does not serve yet. */
const WAITING: Readonly<Record<RoleName, string>> = {
  ds: "does not know its users yet",
  edge: "has no policy from its broker yet",
  broker: "does not listen yet",
  registration: "does not serve yet",
  web: "does not listen yet",
  presence: "does not serve yet",
  recovery: "does not serve yet",
  dsm: "does not serve yet",
};

/** How this process is, in sentences: what `/readyz`, the first lines of a log and the end of a failed start say. */
export class Health {
  readonly #failures: string[] = [];
  #operator: Operator | undefined;
  #isStopping = false;

  /** A listener could not be had, or broke: until a restart. */
  failed(what: string, error: Error): void {
    this.#failures.push(`${what}: ${error.message}.`);
  }
  started(operator: Operator): void {
    this.#operator = operator;
  }
  stopping(): void {
    this.#isStopping = true;
  }
  get failures(): readonly string[] {
    return this.#failures;
  }

  report(): StatusReport {
    if (!this.#operator) return { notReady: ["The roles are being started."], degraded: [] };
    const stopping = this.#isStopping ? ["The process is about to stop."] : [];
    return { notReady: [...stopping, ...this.#failures, ...waiting(this.#operator)], degraded: degraded(this.#operator) };
  }
}

/** A DS that cannot write its log does not serve; others go on, since they promise nothing that a log must hold. */
function waiting({ overlays, registration }: Operator): string[] {
  return [...overlays.values()].flatMap(({ self: { id, role, phase }, journal: { stalled } }) => {
    const fault = role === "registration" ? registration?.registration.fault : undefined;
    if (fault !== undefined) return [`${id} cannot use its database, nobody can sign up or in: ${fault}.`];
    if (phase === "serving") return [];
    if (stalled !== undefined) return [`${id} cannot write its log, and takes nothing new until it can: ${stalled}.`];
    return [phase === "draining" ? `${id} ends its calls.` : `${id} ${WAITING[role]}.`];
  });
}
function degraded({ servers, edges, overlays }: Operator): string[] {
  return [
    ...[...overlays].flatMap(([id, { self, journal }]) =>
      self.phase === "serving" && journal.stalled !== undefined ? [`${id} cannot write its log: ${journal.stalled}.`] : [],
    ),
    ...[...overlays].flatMap(([id, { replication }]) =>
      replication.isDegraded ? [`${id} made promises that no other server has a copy of.`] : [],
    ),
    ...servers.flatMap(({ id, pep }) =>
      isConnected(pep) ? [] : [`${id} is not connected to its edge: nobody can watch or go on air there.`],
    ),
    ...edges.flatMap(({ id, pep }) =>
      isConnected(pep) ? [] : [`${id} is not connected to its broker: it promises only what its local quota allows.`],
    ),
  ];
}
const isConnected = (pep: CopsPep): boolean => Object.values(CLIENT_TYPE).every((clientType) => pep.isOpen(clientType));
