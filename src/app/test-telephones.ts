/** For tests: telephones that nobody here wrote, at a DS of one's own choice. */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Bench, Program } from "./test-program.ts";

export type Transport = "udp" | "tcp" | "tls";
/** One person's place, and where its calls go: DNS says more. */
export interface Line {
  readonly user: string;
  readonly domain: string;
  readonly secret: string;
  /** Host name of the DS. */
  readonly server: string;
  readonly transport: Transport;
  /** The authority that is trusted, a file. */
  readonly authority: string;
  /** Of the machine that it stands on. */
  readonly address: string;
}

/** What is typed at a telephone and what it prints. Whoever waits for a line clears `program.out` before it can come. */
export interface Telephone {
  readonly user: string;
  readonly program: Program;
  readonly keys: Readonly<Record<"answer" | "hold" | "resume" | "hangUp", string>>;
  /** `holds`, `resumes`, `hangsUp`: the other side has answered to it. `isHeld`, `isResumed`, `ended`: that did it. */
  readonly says: Readonly<Record<"rings" | "talks" | "holds" | "resumes" | "hangsUp" | "isHeld" | "isResumed" | "ended", RegExp>>;
  dial(uri: string): string;
  /** Resolves once its registration has been accepted. */
  registered(): Promise<void>;
}
/** The command line that runs a command where the telephone is to stand. */
type Place = (...command: string[]) => readonly [program: string, ...args: string[]];

const ASK_EVERY_MS = 100;
const BARESIP_MODULES = "/usr/lib/baresip/modules";
const SILENCE_SEC = 30;
/** Each with the port above it, for TLS. */
const BARESIP_PORTS = { udp: 5_070, tcp: 5_080, tls: 5_090 } as const;

/** It writes every SIP message to its output: what the other side did is seen there. */
export function baresip(bench: Bench, on: Place, line: Line): Telephone {
  const { user, domain, secret, server, transport } = line;
  const folder = mkdtempSync(path.join(bench.folder, `baresip-${user}-`));
  const clip = path.join(folder, "silence.wav");
  writeFileSync(clip, silence(SILENCE_SEC));
  const modules = ["stdio", "g711", "aufile", "account", "menu"].map((name) => `module ${name}.so`);
  const sip = [
    `sip_listen ${line.address}:${BARESIP_PORTS[transport]}`,
    `sip_cafile ${line.authority}`,
    `audio_source aufile,${clip}`,
  ];
  writeFileSync(path.join(folder, "config"), `${[`module_path ${BARESIP_MODULES}`, ...sip, ...modules].join("\n")}\n`);
  const account = `<sip:${user}@${domain};transport=${transport}>;auth_user=${user};auth_pass=${secret};regint=60`;
  const outbound = `outbound="sip:${server};transport=${transport}";answermode=manual`;
  writeFileSync(path.join(folder, "accounts"), `${account};${outbound}\n`);
  writeFileSync(path.join(folder, "contacts"), "");
  const program = bench.run(...on("baresip", "-s", "-f", folder));
  return {
    user,
    program,
    keys: { answer: "a", hold: "x", resume: "X", hangUp: "b" },
    says: {
      rings: /Incoming call from/,
      talks: /Call established/,
      holds: /call: hold .*^ACK sip:/ms,
      resumes: /call: resume .*^ACK sip:/ms,
      isHeld: /^INVITE sip:.*^a=sendonly.*^ACK sip:/ms,
      isResumed: /^INVITE sip:.*^a=sendrecv.*^ACK sip:/ms,
      hangsUp: /^(?:BYE|CANCEL) sip:.*^SIP\/2\.0 200 /ms,
      ended: /session closed/,
    },
    dial: (uri) => `/dial ${uri}\n`,
    registered: async () => {
      await program.prints(/\} 200 OK/);
    },
  };
}

export function linphone(bench: Bench, on: Place, line: Line): Telephone {
  const { user, domain, secret, server, transport, authority } = line;
  const folder = mkdtempSync(path.join(bench.folder, `linphone-${user}-`));
  mkdirSync(path.join(folder, ".local/share/linphone"), { recursive: true }); // without it there is no call history
  const ownPort = (name: Transport): string => (name === transport ? "-1" : "0"); // any, and none
  const file = path.join(folder, "linphonerc");
  writeFileSync(
    file,
    `[sip]
sip_port=${ownPort("udp")}
sip_tcp_port=${ownPort("tcp")}
sip_tls_port=${ownPort("tls")}
root_ca=${authority}
default_proxy=0
[proxy_0]
reg_proxy=<sip:${server};transport=${transport}>
reg_route=<sip:${server};transport=${transport};lr>
reg_identity=sip:${user}@${domain}
reg_expires=600
reg_sendregister=1
[auth_info_0]
username=${user}
passwd=${secret}
realm=${domain}
`,
  );
  const program = bench.run(...on("env", `HOME=${folder}`, "linphonec", "-c", file));
  return {
    user,
    program,
    keys: { answer: "answer\n", hold: "pause\n", resume: "resume\n", hangUp: "terminate\n" },
    says: {
      rings: /Receiving new incoming call/,
      talks: /Media streams established/,
      holds: /is now paused/,
      resumes: /Media streams established/,
      isHeld: /has been paused by/,
      isResumed: /Media streams established/,
      hangsUp: /Call \d+ with .* ended/,
      ended: /Call \d+ with .* ended/,
    },
    dial: (uri) => `call ${uri}\n`,
    registered: async () => {
      const asking = setInterval(() => program.type("status register\n"), ASK_EVERY_MS);
      try {
        await program.prints(/^registered, identity/m);
      } finally {
        clearInterval(asking);
      }
    },
  };
}

/** A WAV file: 8 kHz, 16 bits, one channel. */
function silence(seconds: number): Buffer {
  const wav = Buffer.alloc(44 + seconds * 16_000);
  wav.write("RIFF", 0);
  wav.writeUInt32LE(wav.length - 8, 4);
  wav.write("WAVEfmt ", 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(8_000, 24);
  wav.writeUInt32LE(16_000, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write("data", 36);
  wav.writeUInt32LE(wav.length - 44, 40);
  return wav;
}
