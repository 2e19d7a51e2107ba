/** An operator of three DSs, each a process of its own on a real disk, that can be killed: what `sipcast serve` runs. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parse, stringify } from "yaml";
import type { Told } from "#app/ctl/control.ts";
import { askControl } from "#app/ctl/socket.ts";
import { CONTROL_SOCKET, DATABASE } from "#app/data-folder.ts";
import { demoYaml } from "#app/demo-plan.ts";
import { tcpFree, udpFree } from "#app/machine.ts";
import { HOME, Program } from "#app/test-program.ts";
import { nodeHost } from "#host/node/index.ts";
import { until } from "#host/node/test-tools.ts";
import { type TestNats, testNats } from "#overlay/carriers/test-nats.ts";
import { ha1 } from "#sip/index.ts";
import { openStore } from "#store/index.ts";

export const SERVERS = ["ds1", "ds2", "ds3"] as const;
export type ServerId = (typeof SERVERS)[number];
export interface User {
  readonly user: string;
  readonly secret: string;
}
type Yaml = Record<string, { id: string }[]> & { readonly domain: string };

const LOOPBACK = "127.0.0.1";
const SITES = { sites: SERVERS.length, accessKbps: 100_000, coreKbps: 100_000, digest: ["SHA-256"] } as const;
const AGAIN_MS = 500;

/** Three DSs and their edges, a broker and registration. */
export class KillableOperator {
  readonly domain: string;
  readonly ports: readonly number[];
  /** Servers of NATS that join them; without, they are processes of one machine. */
  readonly nats: TestNats | undefined;
  readonly #folder: string;
  readonly #programs = new Map<string, Program>(); // by configuration file's name
  /** By processes that were killed. */
  readonly #said: string[] = [];
  #isOver = false;

  private constructor(folder: string, domain: string, basePort: number, nats: TestNats | undefined) {
    this.#folder = folder;
    this.domain = domain;
    this.ports = SERVERS.map((_, at) => basePort + 10 * at);
    this.nats = nats;
  }

  /** Starts all of it on free ports from `basePort` on, with these users, in a folder of its own below `parent`. */
  static async start(parent: string, basePort: number, users: readonly User[], withNats: boolean): Promise<KillableOperator> {
    const base = await freeFrom(basePort);
    const folder = mkdtempSync(path.join(parent, "sipcast-survive-"));
    const yaml = parse(demoYaml({ ...SITES, basePort: base, webPort: base + 90, data: folder })) as Yaml;
    delete (yaml as Partial<Yaml>)["web"];
    const operator = new KillableOperator(folder, yaml.domain, base, withNats ? await testNats(SERVERS.length) : undefined);
    try {
      operator.#configure(yaml, `${LOOPBACK}:${base + 90}`);
      makeUsers(path.join(folder, "main", DATABASE), yaml.domain, users);
      for (const name of operator.nats ? ["main", ...SERVERS] : ["main"]) operator.#serve(name);
      await operator.serving();
      return operator;
    } catch (error) {
      const why = operator.complaints().join("\n");
      await operator.stop();
      throw new Error(`The operator does not start: ${why}`, { cause: error });
    }
  }

  /** SIGKILL. It is started again: by `serve`, or half a second later by us. */
  kill(server: ServerId): void {
    const program = this.nats ? this.#programs.get(server) : undefined;
    if (!program) {
      const [pid] = processesOf(this.#programs.get("main")?.pid ?? 0, server);
      if (pid !== undefined) process.kill(pid, "SIGKILL");
      return;
    }
    if (!program.running) return;
    program.kill();
    void program.exit().then(() => {
      this.#said.push(program.err);
      setTimeout(() => this.#isOver || this.#serve(server), AGAIN_MS);
    });
  }

  /** Resolves once all members are there and serve. */
  async serving(): Promise<void> {
    await until("all servers serve", async () => {
      const told = await this.ask({ ask: "members" }).catch(() => undefined);
      const present = told?.members.filter(({ phase }) => phase === "serving").map(({ id }) => id) ?? [];
      return SERVERS.every((id) => present.includes(id));
    });
  }
  /** Asks the process that is never killed; it asks all members. */
  async ask<Kind extends keyof Told>(question: { readonly ask: Kind; readonly key?: string }): Promise<Told[Kind]> {
    const answer = (await askControl(path.join(this.#folder, "main", CONTROL_SOCKET), question)) as {
      readonly ok: boolean;
      readonly told: Told[Kind];
    };
    if (!answer.ok) throw new Error(`No answer to ${question.ask}`);
    return answer.told;
  }
  /** Of that key, as every server has it: one that did not answer is asked again. */
  rowsOf(key: string): Promise<Told["row"]["rows"]> {
    return until(`all servers say what they have of ${key}`, async () => {
      const told = await this.ask({ ask: "row", key }).catch(() => undefined);
      return SERVERS.some((id) => told?.silent.includes(id)) ? undefined : told?.rows;
    });
  }
  /** What processes said that ended by themselves, or could not do what they should. */
  complaints(): readonly string[] {
    return this.#said
      .concat([...this.#programs.values()].map(({ err }) => err))
      .flatMap((text) => text.split("\n").filter(isComplaint));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all([...this.#programs.values()].map((program) => program.running && program.stop("SIGTERM")));
    await this.nats?.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #serve(name: string): void {
    const file = path.join(this.#folder, `${name}.yaml`);
    this.#programs.set(name, new Program(path.join(HOME, "bin/sipcast"), ["serve", "--config", file, "--log", "json"]));
  }

  /** One file with a process for each site, or one for each machine. */
  #configure({ domain, ds = [], edge = [], broker = [], registration }: Yaml, admin: string): void {
    const at = (name: string): string => path.join(this.#folder, name);
    const write = (name: string, roles: object): void => {
      mkdirSync(at(name), { mode: 0o700 });
      writeFileSync(at(`${name}.yaml`), stringify({ domain, data: at(name), ...roles }));
    };
    const common = { broker, registration: registration ?? {}, admin };
    if (!this.nats) {
      const apart = (roles: readonly object[]) => roles.map((role, site) => ({ ...role, process: SERVERS[site] }));
      return write("main", { ...common, ds: apart(ds), edge: apart(edge) });
    }
    const { tls, nkeySeed } = this.nats.options(domain);
    writeFileSync(at("ca.pem"), tls.ca);
    writeFileSync(at("nkey"), nkeySeed, { mode: 0o600 });
    writeFileSync(at("operator.key"), nodeHost().random(32), { mode: 0o600 });
    const cops = (broker[0] as unknown as { cops: string }).cops;
    const machine = (name: string, preferred: number, roles: object): void => {
      const servers = this.nats?.options(domain, preferred).servers;
      write(name, { overlay: { nats: { servers, tls: { ca: at("ca.pem") }, nkey: at("nkey") } }, ...roles });
      copyFileSync(at("operator.key"), at(`${name}/operator.key`));
    };
    machine("main", 0, common);
    for (const [site, id] of SERVERS.entries()) {
      machine(id, site, { ds: ds.slice(site, site + 1), edge: [{ ...edge[site], broker: cops }] });
    }
  }
}

function makeUsers(file: string, domain: string, users: readonly User[]): void {
  const host = nodeHost();
  const store = openStore(file);
  for (const [at, { user, secret }] of users.entries()) {
    const home = SERVERS[at % SERVERS.length] ?? "";
    store.addAccount({ user, passwordHash: "", accessKbps: 10_000, home, createdWallMs: 0 }, []);
    const [ha1Md5, ha1Sha256] = (["MD5", "SHA-256"] as const).map((algorithm) => ha1(host, algorithm, user, domain, secret));
    store.addDeviceSecret({ id: user, user, label: "", createdWallMs: 0, ha1Md5: ha1Md5 ?? "", ha1Sha256: ha1Sha256 ?? "" });
  }
  store.close();
}

/** That a process which was killed has ended is none. */
const isComplaint = (line: string): boolean =>
  line !== "" && (!line.startsWith("{") || (/"level":"(?:error|fatal)"/.test(line) && !line.includes('"how":"SIGKILL"')));

async function freeFrom(first: number): Promise<number> {
  for (let base = first; base < first + 900; base += 100) {
    if ((await udpFree(LOOPBACK, base)) && (await tcpFree(LOOPBACK, base + 8))) return base;
  }
  throw new Error(`No free ports from ${first} on`);
}

/** Children of that process whose last argument this is. */
function processesOf(parent: number, name: string): readonly number[] {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8").trim().split(" ");
  return children.map(Number).filter((pid) => argumentsOf(pid).at(-1) === name);
}
function argumentsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
  } catch {
    return []; // gone meanwhile
  }
}
