import { readFileSync } from "node:fs";
import { LIMITS } from "#base/limits.ts";
import { showAddress } from "#host/host.ts";
import { readChecked } from "./check.ts";
import { type ListenPort, listenPorts } from "./config-checks.ts";
import { bridgeFaults, checkMachine, machineFaults, tcpFree, udpFree } from "./machine.ts";

/** One thing that was looked at. A fault prevents service, a warning makes it worse. */
export interface Finding {
  readonly kind: "good" | "warning" | "fault";
  readonly sentence: string;
}

/** Each call takes three descriptors at most; a site of some size wants this many. */
const WANTED_OPEN_FILES = 65_536;
const LEAST_OPEN_FILES = 1_024;
const NODE_MAJOR = 26;
const MIB = 1024 * 1024;
const good = (sentence: string): Finding => ({ kind: "good", sentence });
const warning = (sentence: string): Finding => ({ kind: "warning", sentence });
const fault = (sentence: string): Finding => ({ kind: "fault", sentence });

/** `sipcast doctor`: exit code 1 where something prevents service. */
export async function runDoctor(flags: { readonly config?: string }): Promise<void> {
  const findings = [...(await machine()), ...(flags.config === undefined ? [] : await configured(flags.config))];
  const marks = { good: "ok   ", warning: "warn ", fault: "FAULT" };
  for (const { kind, sentence } of findings) process.stdout.write(`${marks[kind]}  ${sentence}\n`);
  if (findings.some(({ kind }) => kind === "fault")) process.exitCode = 1;
}

async function machine(): Promise<Finding[]> {
  const found = await checkMachine();
  const faults = machineFaults(found).map(warning);
  return [
    nodeVersion(process.versions.node),
    ...(found.multicast ? [good("Multicast works on the loopback interface.")] : []),
    ...(found.ffmpeg ? [good("ffmpeg is installed.")] : []),
    ...faults,
    openFiles(textOf("/proc/self/limits")),
    receiveBuffer(textOf("/proc/sys/net/core/rmem_max")),
    clock(Date.now(), textOf("/sys/class/rtc/rtc0/since_epoch")),
  ];
}

export function nodeVersion(version: string): Finding {
  const isRight = Number(version.split(".")[0]) >= NODE_MAJOR;
  return isRight ? good(`Node is ${version}.`) : fault(`Node is ${version}: ${NODE_MAJOR} or later is needed.`);
}

/** `limits`: the text of /proc/self/limits. */
export function openFiles(limits: string): Finding {
  const [, soft = ""] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
  const count = soft === "unlimited" ? Infinity : Number(soft || Number.NaN);
  if (Number.isNaN(count)) return warning("How many files may be open cannot be told.");
  if (count >= WANTED_OPEN_FILES) return good(`${count} files and sockets may be open.`);
  const sentence = `Only ${count} files and sockets may be open at once: raise it to ${WANTED_OPEN_FILES} (ulimit -n, or LimitNOFILE= of systemd).`;
  return count < LEAST_OPEN_FILES ? fault(sentence) : warning(sentence);
}

/** `rmemMax`: the text of /proc/sys/net/core/rmem_max. */
export function receiveBuffer(rmemMax: string): Finding {
  const octets = Number(rmemMax.trim() || Number.NaN);
  if (Number.isNaN(octets)) return warning("How large a receive buffer may be cannot be told.");
  const wanted = LIMITS.datagramBufferBytes;
  return octets >= wanted
    ? good(`A UDP socket may have ${wanted / MIB} MiB waiting.`)
    : warning(
        `A UDP socket may have only ${Math.round(octets / 1024)} KiB waiting, so bursts are lost: sysctl -w net.core.rmem_max=${wanted}`,
      );
}

/** Beside the machine's own clock, where it has one: a wall clock that jumps makes accounts' sessions end early. */
export function clock(wallMs: number, sinceEpoch: string): Finding {
  const shown = new Date(wallMs).toISOString();
  if (wallMs < Date.UTC(2025, 0, 1)) return fault(`The clock says ${shown}: certificates and sessions would be refused.`);
  const differenceSec = sinceEpoch === "" ? 0 : Math.round(Math.abs(wallMs / 1_000 - Number(sinceEpoch)));
  return differenceSec > 60
    ? warning(`The clock says ${shown}, ${differenceSec} s off the machine's own: let NTP set it.`)
    : good(`The clock says ${shown}.`);
}

async function configured(file: string): Promise<Finding[]> {
  const config = readChecked({ config: file });
  const taken = (await Promise.all(listenPorts(config).map(portFault))).filter((finding) => finding !== undefined);
  return [
    good(`${file} has no faults.`),
    ...(taken.length > 0 ? taken : [good("All its ports are free.")]),
    ...(await bridgeFaults(config)).map(warning),
  ];
}
async function portFault({ path, protocol, at }: ListenPort): Promise<Finding | undefined> {
  const isFree = await (protocol === "UDP" ? udpFree : tcpFree)(at.host, at.port);
  return isFree ? undefined : fault(`${path}: ${protocol} ${showAddress(at)} is taken, or no address of this machine.`);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // not on this system
  }
}
