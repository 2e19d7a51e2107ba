import type { Logger } from "#base/log.ts";
import type { Host } from "#host/host.ts";
import type { Carrier } from "#overlay/index.ts";
import { OverlayNode } from "#overlay/index.ts";
import type { Member, RoleName } from "#overlay/types.ts";
import type { PasswordHasher } from "#store/index.ts";
import { type RunningBroker, startBroker } from "./broker.ts";
import { type RunningDs, startDs } from "./ds.ts";
import { type RunningEdge, startEdge } from "./edge.ts";
import { dsInfo } from "./peers.ts";
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
  /** By member: what each is in the overlay, those of `context` included. */
  readonly overlays: ReadonlyMap<string, OverlayNode>;
  readonly brokers: readonly RunningBroker[];
  readonly edges: readonly RunningEdge[];
  readonly servers: readonly RunningDs[];
  /** Starts one role of the plan anew: what ran in its place has stopped, or died with its host. */
  start(member: string): void;
  stopOne(member: string, stopped: () => void): void;
  /** Stops the servers in front first, the deciders last, then calls `stopped`. */
  stop(stopped: () => void): void;
}

/** Starts all roles of a plan, deciders first. */
export function startOperator(plan: OperatorPlan, ground: OperatorGround): Operator {
  const overlays = new Map<string, OverlayNode>();
  const context = (member: string, role: RoleName, info: Member["info"] = {}): RoleContext => {
    const host = ground.host(member);
    const overlay = new OverlayNode(ground.carrier, host, { id: member, role, info });
    overlays.set(member, overlay);
    tellOfLog(overlay, ground.log);
    return { host, overlay, log: ground.log, operatorKey: ground.operatorKey, failed: ground.failed };
  };
  const { passwords } = ground;
  const brokers = plan.brokers.map((config) => new Place(config.id, () => startBroker(context(config.id, "broker"), config)));
  const registrations = (plan.registration ? [plan.registration] : []).map(
    (config) => new Place(config.id, () => startRegistration(context(config.id, "registration"), config, passwords)),
  );
  const edges = plan.edges.map((config) => new Place(config.id, () => startEdge(context(config.id, "edge"), config)));
  const servers = plan.servers.map(
    (config) => new Place(config.id, () => startDs(context(config.id, "ds", dsInfo(config)), config)),
  );
  const places: readonly Place<RunningRole>[] = [...servers, ...edges, ...registrations, ...brokers];
  const placeOf = (member: string): Place<RunningRole> => {
    const place = places.find(({ id }) => id === member);
    if (!place) throw new RangeError(`There is no ${member} in this plan`);
    return place;
  };
  return {
    get registration() {
      return registrations[0]?.role;
    },
    context,
    overlays,
    get brokers() {
      return rolesAt(brokers);
    },
    get edges() {
      return rolesAt(edges);
    },
    get servers() {
      return rolesAt(servers);
    },
    start: (member) => placeOf(member).start(),
    stopOne: (member, stopped) => placeOf(member).role.stop(stopped),
    stop: (stopped) => stopInTurn(rolesAt(places), stopped),
  };
}

/** What befalls a member's log: a torn end is what a crash leaves; what else is lost, it reads of others' copies. */
function tellOfLog({ self: { id: member }, journal }: OverlayNode, log: Logger): void {
  journal.onCut((tornBytes, damage) => {
    if (damage) log.warn("log is damaged: what stood behind is learnt from others' copies", { member, ...damage });
    else log.info("the end of a log was torn by a crash, and is cut off", { member, tornBytes });
  });
  journal.onStall((cause) => {
    if (cause === undefined) log.info("log can be written again", { member });
    else log.error("log cannot be written: nothing more is promised until it can", { member, cause });
  });
}

/** Where one role of a plan runs, over restarts. */
class Place<Role extends RunningRole> {
  readonly id: string;
  role: Role;
  readonly #begin: () => Role;
  constructor(id: string, begin: () => Role) {
    this.id = id;
    this.#begin = begin;
    this.role = begin();
  }
  start(): void {
    this.role = this.#begin();
  }
}
const rolesAt = <Role extends RunningRole>(places: readonly Place<Role>[]): readonly Role[] => places.map(({ role }) => role);

function stopInTurn(roles: readonly RunningRole[], stopped: () => void): void {
  const [first, ...rest] = roles;
  if (first) first.stop(() => stopInTurn(rest, stopped));
  else stopped();
}
