import { spawnSync } from "node:child_process";
import dgram from "node:dgram";
import net from "node:net";
import { BridgeMembers } from "#edge/linux/bridge.ts";
import type { Config } from "./config-schema.ts";

/** What the machine offers; each fault is one line for a person: what is off, and what happens instead. */
export interface Machine {
  readonly multicast: boolean;
  readonly ffmpeg: boolean;
}

const PROBE_GROUP = "232.0.0.255"; // within 232/8, never given to a channel
const PROBE_TIMEOUT_MS = 500;

/** Looks at multicast on loopback and for ffmpeg. */
export async function checkMachine(): Promise<Machine> {
  return {
    multicast: await multicastWorks("127.0.0.1"),
    ffmpeg: spawnSync("ffmpeg", ["-version"], { stdio: "ignore" }).status === 0,
  };
}

export function machineFaults(machine: Machine): string[] {
  const faults: string[] = [];
  if (!machine.multicast)
    faults.push(
      "Multicast does not work on the loopback interface: one site runs instead of two, and `sipcast watch` needs --unicast.",
    );
  if (!machine.ffmpeg)
    faults.push(
      "ffmpeg is not installed: `sipcast broadcast` takes MPEG-TS with H.264 and AAC as it is (a file, standard input, UDP), and nothing else.",
    );
  return faults;
}

/** What is wrong with bridges that the configuration names: here and now, it may be meant for another machine. */
export async function bridgeFaults({ edge }: Pick<Config, "edge">): Promise<string[]> {
  const faults = await Promise.all(
    edge.map(async ({ members }, at) => {
      const fault = members && (await new BridgeMembers(members.bridge).fault());
      return fault === undefined ? [] : [`edge[${at}].members.bridge: ${fault}. Who leaves a group is not seen.`];
    }),
  );
  return faults.flat();
}

/** Whether a source-specific group (RFC 4607) on that interface brings back what is sent to it. */
function multicastWorks(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket({ type: "udp4", reuseAddr: true });
    const end = (works: boolean): void => {
      clearTimeout(timer);
      socket.close();
      resolve(works);
    };
    const timer = setTimeout(() => end(false), PROBE_TIMEOUT_MS);
    socket.once("error", () => end(false));
    socket.once("message", () => end(true));
    socket.bind(0, () => {
      try {
        socket.setMulticastInterface(address);
        socket.addSourceSpecificMembership(address, PROBE_GROUP, address);
        socket.send("sipcast", socket.address().port, PROBE_GROUP);
      } catch {
        end(false);
      }
    });
  });
}

/** The first port from `wanted` on that nobody listens on; `undefined` when `tries` in a row are taken. */
export async function freeTcpPort(host: string, wanted: number, tries: number): Promise<number | undefined> {
  for (let port = wanted; port < wanted + tries; port++) if (await tcpFree(host, port)) return port;
  return undefined;
}

export function tcpFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once("error", () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

export function udpFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket("udp4");
    socket.once("error", () => resolve(false));
    socket.bind(port, host, () => socket.close(() => resolve(true)));
  });
}
