import path from "node:path";
import { type Address, showAddress } from "#host/host.ts";
import { say, UsageError, untilStopped } from "./console.ts";
import { type DemoOptions, type DemoPlan, planDemo } from "./demo-plan.ts";
import { type DemoReady, publishDemo } from "./demo-state.ts";
import { defaultFormat, type LogFlags } from "./logger.ts";
import { checkMachine, freeTcpPort, machineFaults, tcpFree, udpFree } from "./machine.ts";
import type { RunningProcess } from "./process.ts";
import { startSamples } from "./samples.ts";
import { startService } from "./service.ts";

const HOME = path.resolve(import.meta.dirname, "../..");
const DEFAULT_BASE_PORT = 5_060;
const DEFAULT_WEB_PORT = 8_080;
const PORT_STEP = 100; // from one base port to the next one tried
const PORT_TRIES = 20;
const READY_WITHIN_MS = 10_000;

interface DemoFlags extends LogFlags {
  readonly json?: boolean;
  readonly trace?: boolean;
  readonly basePort?: number;
  readonly webPort?: number;
  readonly sites: number;
  readonly accessKbps: number;
  readonly coreKbps: number;
  readonly digest: DemoOptions["digest"];
  readonly data?: string;
  readonly hep?: string;
  readonly pcap?: string;
  readonly samples: boolean;
}

/** `sipcast demo`: a whole operator in this process, until Ctrl-C. */
export async function runDemo(flags: DemoFlags): Promise<void> {
  const machine = await checkMachine();
  for (const fault of machineFaults(machine)) say(fault);
  const sites = machine.multicast ? flags.sites : 1;
  const plan = planDemo({ ...flags, sites, ...(await choosePorts(flags, sites)) });
  const log = { format: flags.log ?? defaultFormat(), level: flags.logLevel ?? "info" };
  const running = await startService(plan.config, { log, trace: flags.trace ?? false });
  await addAccounts(running.main, plan);
  const missing = await running.servingWithin(READY_WITHIN_MS);
  if (missing.length > 0) {
    await running.stop();
    throw new UsageError(missing.join("\n"));
  }
  const samples = flags.samples ? await startSamples(running.main.hostOf("studio"), plan, HOME) : undefined;
  const ready = readyLine(plan);
  const withdraw = publishDemo(ready, plan);
  const stopped = untilStopped(); // before anybody hears that it is ready
  if (flags.json) process.stdout.write(`${JSON.stringify(ready)}\n`);
  else say(banner(ready));
  await stopped;
  withdraw();
  if (!flags.json) say("Stopping.");
  await samples?.stop();
  await running.stop();
}

async function addAccounts({ operator: { registration } }: RunningProcess, { accounts }: DemoPlan): Promise<void> {
  for (const account of accounts) await new Promise<void>((done) => registration?.registration.ensureAccount(account, done));
}

/** The wanted ports, or free ones beside them; says what it does instead. */
async function choosePorts(flags: DemoFlags, sites: number): Promise<Pick<DemoOptions, "basePort" | "webPort">> {
  const wantedWeb = flags.webPort ?? (flags.basePort === undefined ? DEFAULT_WEB_PORT : flags.basePort + 90);
  const wantedBase = flags.basePort ?? DEFAULT_BASE_PORT;
  let basePort = wantedBase;
  for (let tries = 1; !(await portsFree(basePort, sites)); tries++) {
    if (flags.basePort !== undefined)
      throw new UsageError(`Ports from ${basePort} on are taken. Choose others with --base-port.`);
    if (tries === PORT_TRIES) throw new UsageError("No free ports found. Choose some with --base-port.");
    basePort += PORT_STEP;
  }
  if (basePort !== wantedBase) say(`Ports from ${wantedBase} on are taken: SIP and COPS use those from ${basePort} on instead.`);
  const webPort = await freeTcpPort("127.0.0.1", wantedWeb, flags.webPort === undefined ? PORT_TRIES : 1);
  if (webPort === undefined) throw new UsageError(`Port ${wantedWeb} is taken. Choose another with --web-port.`);
  if (webPort !== wantedWeb) say(`Port ${wantedWeb} is taken: the page uses ${webPort} instead.`);
  return { basePort, webPort };
}

async function portsFree(basePort: number, sites: number): Promise<boolean> {
  for (let at = 0; at < sites; at++) {
    const first = basePort + 10 * at;
    if (!(await udpFree("127.0.0.1", first))) return false;
    for (const port of [first, first + 1, first + 2, first + 3]) if (!(await tcpFree("127.0.0.1", port))) return false;
  }
  return tcpFree("127.0.0.1", basePort + 8);
}

/** The contract of DESIGN §7: what does not run is absent. */
function readyLine({ config, accounts }: DemoPlan): DemoReady {
  const { domain, ds, edge, broker, web } = config;
  const copsOf = (at: { readonly cops: Address } | undefined): string => (at ? showAddress(at.cops) : "");
  return {
    ready: true,
    web: `http://${web[0] ? showAddress(web[0].listen) : ""}`,
    domain,
    sites: ds.map(({ site, udp, tcp, ws, edge: edgeId }) => ({
      name: site,
      ds: { udp: showAddress(udp), ...(tcp && { tcp: showAddress(tcp) }), ws: `ws://${showAddress(ws)}` },
      edge: { cops: copsOf(edge.find(({ id }) => id === edgeId)) },
    })),
    broker: { cops: copsOf(broker[0]) },
    accounts: accounts.map(({ user, password, deviceSecret }) => ({
      user,
      aor: `sip:${user}@${domain}`,
      password,
      deviceSecret,
    })),
    channels: accounts.flatMap(({ channels }) => channels.map(({ name }) => name)),
  };
}

function banner(ready: DemoReady): string {
  const port = new URL(ready.web).port;
  return [
    "",
    `sipcast is on air: http://localhost:${port}`,
    "",
    ...ready.sites.map(({ name, ds, edge }) => `  ${name}   SIP udp and tcp ${ds.udp}, ${ds.ws}   COPS ${edge.cops}`),
    `  broker  COPS ${ready.broker.cops}`,
    "",
    "  Sample accounts (password for the page, device secret for SIP phones):",
    ...ready.accounts.map(({ user, password, deviceSecret }) => `    ${user.padEnd(8)} ${password.padEnd(14)} ${deviceSecret}`),
    "",
    "  In another terminal:",
    "    bin/sipcast watch news -o news.ts",
    "    bin/sipcast broadcast bob-tv testdata/clips/sport.ts",
    "",
    "Ctrl-C stops everything.",
  ].join("\n");
}
