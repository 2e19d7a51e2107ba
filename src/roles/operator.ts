import type { Logger } from "#base/log.ts";
import type { Host } from "#host/host.ts";
import type { Carrier } from "#overlay/index.ts";
import { OverlayNode } from "#overlay/index.ts";
import type { RoleName } from "#overlay/types.ts";
import type { PasswordHasher } from "#store/index.ts";
import { type RunningBroker, startBroker } from "./broker.ts";
import { type RunningDs, startDs } from "./ds.ts";
import { type RunningEdge, startEdge } from "./edge.ts";
import { type RunningRegistration, startRegistration } from "./registration.ts";
import type { BrokerConfig, DsConfig, EdgeConfig, RegistrationConfig, RoleContext, RunningRole } from "./types.ts";

/** A role's configuration, and the member that it is. */
export type Named<Config> = Config & { readonly id: string };
/** The roles of one process that carry calls and pictures; the page's server is started beside them (`web.ts`). */
export interface OperatorPlan {
  readonly brokers: readonly Named<BrokerConfig>[];
  /** At most one: accounts stand in one database. */
  readonly registration: Named<RegistrationConfig> | undefined;
  readonly edges: readonly EdgeConfig[];
  readonly servers: readonly DsConfig[];
}
export interface OperatorGround {
  /** The host that a member runs on: one for all in a process, one a machine in the simulator. */
  host(member: string): Host;
  readonly carrier: Carrier;
  readonly log: Logger;
  readonly operatorKey: Uint8Array;
  /** Default argon2id; the simulator has no thread pool. */
  readonly passwords?: PasswordHasher;
  readonly failed: (what: string, error: Error) => void;
}
export interface Operator {
  readonly registration: RunningRegistration | undefined;
  /** What a role started beside these is given. */
  context(member: string, role: RoleName): RoleContext;
  readonly brokers: readonly RunningBroker[];
  readonly edges: readonly RunningEdge[];
  readonly servers: readonly RunningDs[];
  /** Stops the servers in front first, the deciders last, then calls `stopped`. */
  stop(stopped: () => void): void;
}

/** Starts all roles of a plan, deciders first. */
export function startOperator(plan: OperatorPlan, ground: OperatorGround): Operator {
  const context = (member: string, role: RoleName): RoleContext => {
    const host = ground.host(member);
    const overlay = new OverlayNode(ground.carrier, host, { id: member, role, info: {} });
    return { host, overlay, log: ground.log, operatorKey: ground.operatorKey, failed: ground.failed };
  };
  const brokers = plan.brokers.map((config) => startBroker(context(config.id, "broker"), config));
  const registration =
    plan.registration && startRegistration(context(plan.registration.id, "registration"), plan.registration, ground.passwords);
  const edges = plan.edges.map((config) => startEdge(context(config.id, "edge"), config));
  const servers = plan.servers.map((config) => startDs(context(config.id, "ds"), config));
  const deciders = [...edges, ...(registration ? [registration] : []), ...brokers];
  return {
    registration,
    context,
    brokers,
    edges,
    servers,
    stop: (stopped) => stopInTurn([...servers, ...deciders], stopped),
  };
}

function stopInTurn(roles: readonly RunningRole[], stopped: () => void): void {
  const [first, ...rest] = roles;
  if (first) first.stop(() => stopInTurn(rest, stopped));
  else stopped();
}
