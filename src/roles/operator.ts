import type { Logger } from "#base/log.ts";
import type { Host } from "#host/host.ts";
import type { Carrier } from "#overlay/index.ts";
import { OverlayNode } from "#overlay/index.ts";
import type { RoleName } from "#overlay/types.ts";
import type { PasswordHasher } from "#store/index.ts";
import { startBroker } from "./broker.ts";
import { startDs } from "./ds.ts";
import { startEdge } from "./edge.ts";
import { startRegistration } from "./registration.ts";
import type { BrokerConfig, DsConfig, EdgeConfig, RegistrationConfig, RoleContext, RunningRole } from "./types.ts";

/** The roles of one operator that carry calls and pictures; the page's server is started beside it (`web.ts`). */
export interface OperatorPlan {
  readonly domain: string;
  readonly sites: readonly { readonly name: string; readonly ds: DsConfig; readonly edge: EdgeConfig }[];
  readonly broker: BrokerConfig;
  readonly registration: RegistrationConfig;
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
  readonly registration: ReturnType<typeof startRegistration>;
  /** What a role started beside these is given. */
  context(member: string, role: RoleName): RoleContext;
  /** What the broker has booked. */
  readonly broker: ReturnType<typeof startBroker>;
  readonly edges: readonly ReturnType<typeof startEdge>[];
  readonly servers: readonly ReturnType<typeof startDs>[];
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
  const broker = startBroker(context("broker", "broker"), plan.broker);
  const registration = startRegistration(context("registration", "registration"), plan.registration, ground.passwords);
  const edges = plan.sites.map(({ edge }) => startEdge(context(edge.id, "edge"), edge));
  const servers = plan.sites.map(({ ds }) => startDs(context(ds.id, "ds"), ds));
  return {
    registration,
    context,
    broker,
    edges,
    servers,
    stop: (stopped) => stopInTurn([...servers, ...edges, registration, broker], stopped),
  };
}

function stopInTurn(roles: readonly RunningRole[], stopped: () => void): void {
  const [first, ...rest] = roles;
  if (first) first.stop(() => stopInTurn(rest, stopped));
  else stopped();
}
