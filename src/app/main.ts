#!/usr/bin/env node
import { Command, InvalidArgumentError, Option } from "commander";
import { readAddress } from "#host/addresses.ts";
import { runBackup } from "./backup/backup.ts";
import { runRestore } from "./backup/restore.ts";
import { runBroadcast } from "./broadcast.ts";
import { runCampaign } from "./campaign.ts";
import { UsageError } from "./console.ts";
import { runCtl } from "./ctl/command.ts";
import { runDemo } from "./demo.ts";
import { runDoctor } from "./doctor.ts";
import { LOG_FORMATS, LOG_LEVELS } from "./logger.ts";
import { runCheck, runServe } from "./serve.ts";
import { runSimulate } from "./simulate.ts";
import { runWatch } from "./watch.ts";

const whole =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most)
      throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
    return value;
  };
const RATE = whole(64, 20_000);
const rateList = (text: string): number[] => text.split(",").map(RATE);
const TRANSPORTS = ["udp", "tcp", "tls"] as const;
const DIGESTS = ["SHA-256", "MD5"] as const;
function digestList(text: string): (typeof DIGESTS)[number][] {
  return text.split(",").map((name) => {
    const known = DIGESTS.find((digest) => digest.toLowerCase() === name.trim().toLowerCase());
    if (!known) throw new InvalidArgumentError(`Give SHA-256, MD5, or both separated by a comma.`);
    return known;
  });
}
function addressText(text: string): string {
  if (!readAddress(text)) throw new InvalidArgumentError("Give an address and a port, e.g. 127.0.0.1:9060.");
  return text;
}
const logOptions = (command: Command): Command =>
  command
    .addOption(
      new Option("--log <format>", "how events are written to standard error (default: pretty on a terminal, else json)").choices(
        LOG_FORMATS,
      ),
    )
    .addOption(new Option("--log-level <level>", "the least that is written").choices(LOG_LEVELS));
const configOptions = (command: Command): Command =>
  command
    .requiredOption("-c, --config <file>", "configuration file in YAML; docs/configuration.md has every key")
    .option("--data <dir>", "folder of accounts, logs and the operator key, instead of the file's");
/** How a command line client reaches its DS and who it is; without them, the demo running on this machine is asked. */
const clientOptions = (command: Command): Command =>
  command
    .option("--ds <host:port>", "SIP address of your DS (default: the demo on this machine)")
    .option("--domain <name>", "domain of the service (default: the demo's)")
    .option("--user <name>", "who you are (default: a sample account of the demo)")
    .addOption(new Option("--secret <secret>", "your device secret").env("SIPCAST_SECRET"))
    .addOption(new Option("--transport <name>", "how the DS is spoken to").choices(TRANSPORTS).default("udp"))
    .option("--ca <file>", "authorities of the DS's certificate in PEM, for --transport tls (default: this machine's)");

const program = new Command("sipcast")
  .description("Live television on an operator's own network")
  .showHelpAfterError()
  .configureHelp({ showGlobalOptions: true });

logOptions(program.command("demo"))
  .description("run a whole operator on this machine's loopback: two sites, sample channels, the page")
  .option("--json", "print one line of JSON once ready, nothing else on standard output")
  .option("--trace", "print every SIP and COPS message as a ladder")
  .option("--base-port <port>", "first port of everything but the page; ten a site", whole(1_024, 60_000))
  .option("--web-port <port>", "port of the page", whole(1, 65_535))
  .option("--sites <n>", "1 or 2", whole(1, 2), 2)
  .option("--access-kbps <n>", "bandwidth for all viewers of a site together", whole(1, 100_000_000), 100_000)
  .option("--core-kbps <n>", "bandwidth between the sites", whole(1, 100_000_000), 1_000_000)
  .option("--digest <list>", "digest algorithms offered, in order", digestList, [...DIGESTS])
  .option("--data <dir>", "keep accounts, logs and the operator key there over restarts")
  .option("--hep <host:port>", "send SIP and COPS messages to a HEP version 3 collector", addressText)
  .option("--pcap <file>", "write SIP and COPS messages to a capture file")
  .option("--no-samples", "without the two sample channels on air")
  .action(runDemo);

configOptions(logOptions(program.command("serve")))
  .description("run the roles of a configuration file; SIGHUP reads it again, SIGTERM ends calls, then the process")
  .option("--trace", "print every SIP and COPS message as a ladder")
  .action(runServe);

configOptions(program.command("check")).description("print every fault of a configuration file, or OK").action(runCheck);

program
  .command("init")
  .description(
    "make an operator's certificate authority, certificates of its DSs and NATS servers, and the keys that its servers share",
  )
  .argument("<dir>", "folder to write them to")
  .requiredOption("--domain <name>", "domain of the service")
  .option("--ds <id...>", "member names of the DSs", ["ds1", "ds2"])
  .option("--nats <host...>", "for several machines: addresses or names of those that run a NATS server")
  .option("--force", "replace what is there: certificates made before are void then")
  .action(async (folder, flags) => (await import("./init.ts")).runInit(folder, flags)); // its library is large

program
  .command("doctor")
  .description("look at this machine: what keeps sipcast from serving well here, and what to do about it")
  .option("-c, --config <file>", "look at what this configuration needs, too")
  .action(runDoctor);

const ctl = program.command("ctl").description("ask a service that runs on this machine how it is, or tell it something");
const ctlCommand = (name: string, description: string): Command =>
  ctl
    .command(name)
    .description(description)
    .option("-c, --config <file>", "configuration file of the service (default: the demo that runs)")
    .option("--data <dir>", "its folder of accounts, logs and the operator key")
    .option("--socket <file>", "the socket where it answers")
    .option("--json", "print one JSON object");
ctlCommand("members", "the members of the overlay, as one of them knows them").action((flags) =>
  runCtl({ ask: "members" }, flags),
);
ctlCommand("tables", "what every member holds of every table").action((flags) => runCtl({ ask: "tables" }, flags));
ctlCommand("row", "the rows of a key, at every member that has them")
  .argument("<key>", "e.g. a channel's name")
  .action((key, flags) => runCtl({ ask: "row", key }, flags));
ctlCommand("dead", "declare a member dead: others take over what it had")
  .argument("<member>", "its name")
  .argument("[incarnation]", "the life that ended (default: the one that is known)", whole(0, Number.MAX_SAFE_INTEGER))
  .action((member, incarnation, flags) =>
    runCtl({ ask: "dead", member, ...(incarnation !== undefined && { incarnation }) }, flags),
  );

program
  .command("backup")
  .description("copy what a service keeps, also while it runs: accounts, logs, operator key")
  .option("-c, --config <file>", "configuration file of the service, which names its folder")
  .option("--data <dir>", "folder of accounts, logs and the operator key")
  .requiredOption("--to <dir>", "new folder to copy to: it will hold secrets")
  .option("--json", "print the manifest as one JSON object")
  .action(runBackup);

program
  .command("restore")
  .description("bring back what a backup has; the service must not run")
  .requiredOption("--from <dir>", "folder of the backup")
  .requiredOption("--data <dir>", "folder for accounts, logs and the operator key")
  .option("--force", "replace what sipcast keeps there")
  .action(runRestore);

clientOptions(program.command("broadcast"))
  .description("put a channel of yours on air")
  .argument("<channel>", "name of the channel")
  .argument(
    "<source...>",
    "MPEG-TS file (played over and over), - for standard input, udp://HOST:PORT, or what ffmpeg reads; up to three of the same picture at different rates, each as SOURCE@KBPS",
  )
  .option("--rate <kbit/s>", "bandwidth to reserve where a source names none (default: the channel's)", RATE)
  .addOption(
    new Option("--rates <list>", "let ffmpeg encode one source at up to three rates, e.g. 2000,800,300")
      .argParser(rateList)
      .conflicts("rate"),
  )
  .option("--ask", "wait to be called for each viewer: for a channel that asks its broadcaster")
  .option("--refuse <users...>", "with --ask: decline these viewers")
  .action(runBroadcast);

clientOptions(program.command("watch"))
  .description("receive a channel by multicast")
  .argument("<channel>", "name of the channel")
  .option("-o, --output <file>", "where the MPEG-TS goes; - is standard output")
  .option("--player [command]", "show it: in ffplay, mpv or VLC, or in a program that reads standard input")
  .option("--rate <kbit/s>", "the best picture of at most that rate (default: as much as the network carries)", RATE)
  .option("--unicast", "ask for a stream of your own instead of the group")
  .option("--interface <address>", "local address of the interface to join the group on (default: that towards the DS)")
  .option("--seconds <n>", "stop after so many seconds of picture", whole(1, 86_400))
  .action(runWatch);

const simulate = program
  .command("simulate")
  .description("run a scenario of the product's own servers and clients in virtual time")
  .argument("[scenario]", "first-light, change or refuse", "first-light")
  .option("--seed <n>", "decides everything that is random (default: 1)", whole(0, 2 ** 31 - 1))
  .option("--cops-ms <n>", "what COPS takes at an edge; the paper's figure is 100", whole(0, 1_000), 0)
  .option("--trace", "print every SIP and COPS message as a ladder")
  .option("--json", "print one JSON object")
  .action(runSimulate);

const CAMPAIGNS = {
  faults: "draw runs of people, servers and lines that fail from seeds, and check that no rule is broken",
  tables: "the same for tables alone: what servers promised is found after crashes, lost disks and partitions",
} as const;
for (const what of ["faults", "tables"] as const) {
  simulate
    .command(what)
    .description(CAMPAIGNS[what])
    .option("--seeds <n>", "how many (default: 1000, or as many as --minutes allows)", whole(1, 1_000_000_000))
    .option("--from <seed>", "the first of them (default: a fresh one)", whole(0, 2 ** 31 - 1))
    .option("--minutes <n>", "stop after so much time", whole(1, 100_000))
    .option("--jobs <n>", "processes (default: one a core)", whole(1, 256))
    .option("--script <file>", "a kept script again, step by step, as --seed does with a seed")
    .action((_flags, command: Command) => runCampaign(what, command.optsWithGlobals()));
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`sipcast: ${error.message}\n`);
  process.exitCode = 1;
}
