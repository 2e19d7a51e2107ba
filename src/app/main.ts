#!/usr/bin/env node
import { Command, Option } from "commander";
import { endBy, say, UsageError } from "./console.ts";
import { addressText, clientOptions, configOptions, digestList, logOptions, rate, rateList, seed, whole } from "./flags.ts";
import { VERSION } from "./version.ts";

const MISUSED = 2;
// Each command loads what it needs once it is given.
const program = new Command("sipcast")
  .description("Live television on an operator's own network")
  .enablePositionalOptions() // `simulate faults` has a --seed of its own
  .version(VERSION, "--version", "print the version")
  .showHelpAfterError("sipcast --help, or sipcast COMMAND --help, tells what there is.")
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "sipcast: ")) })
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : MISUSED))
  .addHelpText(
    "after",
    `
Examples:
  sipcast demo                                    then open http://localhost:8080
  sipcast watch news --player                     in another terminal
  sipcast broadcast bob-tv FILE --rates 2000,800,300
  sipcast init keys --domain tv.example
  sipcast serve --config FILE

Exit codes: 0, it did what it was told; 1, it did not, and says why on standard error; 2, what it was told makes no sense.`,
  );

program.commandsGroup("To try it, and for people:");
logOptions(program.command("demo"))
  .description("run a whole operator on this machine's loopback: two sites, sample channels, the page")
  .option("--json", "print one line of JSON once ready, nothing else on standard output")
  .option("--trace", "print every SIP and COPS message as a ladder")
  .option(
    "--base-port <port>",
    "first port of everything but the page; ten a site (default: 5060, or free ones)",
    whole(1_024, 60_000),
  )
  .option("--web-port <port>", "port of the page (default: 8080, or a free one)", whole(1, 65_535))
  .option("--sites <n>", "1 or 2", whole(1, 2), 2)
  .option("--access-kbps <n>", "bandwidth for all viewers of a site together", whole(1, 100_000_000), 100_000)
  .option("--core-kbps <n>", "bandwidth between the sites", whole(1, 100_000_000), 1_000_000)
  .addOption(
    new Option("--digest <list>", "digest algorithms offered, in order")
      .argParser(digestList)
      .default(["SHA-256", "MD5"], "SHA-256,MD5"),
  )
  .option("--data <dir>", "keep accounts, logs and the operator key there over restarts")
  .option("--hep <host:port>", "send SIP and COPS messages to a HEP version 3 collector", addressText)
  .option("--pcap <file>", "write SIP and COPS messages to a capture file")
  .option("--no-samples", "without the two sample channels on air")
  .action(async (flags) => (await import("./demo.ts")).runDemo(flags));

clientOptions(program.command("broadcast"))
  .description("put a channel of yours on air")
  .argument("<channel>", "name of the channel")
  .argument(
    "<source...>",
    "MPEG-TS file (played over and over), - for standard input, udp://HOST:PORT, or what ffmpeg reads; up to three of the same picture at different rates, each as SOURCE@KBPS",
  )
  .option("--rate <kbit/s>", "bandwidth to reserve where a source names none (default: the channel's)", rate)
  .addOption(
    new Option("--rates <list>", "let ffmpeg encode one source at up to three rates, e.g. 2000,800,300")
      .argParser(rateList)
      .conflicts("rate"),
  )
  .option("--ask", "wait to be called for each viewer: for a channel that asks its broadcaster")
  .option("--refuse <users...>", "with --ask: decline these viewers")
  .action(async (channel, sources, flags) => (await import("./broadcast.ts")).runBroadcast(channel, sources, flags));

clientOptions(program.command("watch"))
  .description("receive a channel by multicast")
  .argument("<channel>", "name of the channel")
  .option("-o, --output <file>", "where the MPEG-TS goes; - is standard output")
  .option("--player [command]", "show it: in ffplay, mpv or VLC, or in a program that reads standard input")
  .option("--rate <kbit/s>", "the best picture of at most that rate (default: as much as the network carries)", rate)
  .option("--unicast", "ask for a stream of your own instead of the group")
  .option("--interface <address>", "local address of the interface to join the group on (default: that towards the DS)")
  .option("--seconds <n>", "stop after so many seconds of picture", whole(1, 86_400))
  .action(async (channel, flags) => (await import("./watch.ts")).runWatch(channel, flags));

program.commandsGroup("For an operator:");
program
  .command("init")
  .description(
    "make an operator's certificate authority, certificates of its DSs and NATS servers, and the keys that its servers share",
  )
  .argument("<dir>", "folder to write them to")
  .requiredOption("--domain <name>", "domain of the service")
  .addOption(new Option("--ds <id...>", "member names of the DSs").default(["ds1", "ds2"], "ds1 ds2"))
  .option("--nats <host...>", "for several machines: addresses or names of those that run a NATS server")
  .option("--force", "replace what is there: certificates made before are void then")
  .action(async (folder, flags) => (await import("./init.ts")).runInit(folder, flags));

configOptions(program.command("check"))
  .description("print every fault of a configuration file, or OK")
  .action(async (flags) => (await import("./check.ts")).runCheck(flags));

program
  .command("doctor")
  .description("look at this machine: what keeps sipcast from serving well here, and what to do about it")
  .option("-c, --config <file>", "look at what this configuration needs, too")
  .action(async (flags) => (await import("./doctor.ts")).runDoctor(flags));

configOptions(logOptions(program.command("serve")))
  .description("run the roles of a configuration file; SIGHUP reads it again, SIGTERM ends calls, then the process")
  .option("--trace", "print every SIP and COPS message as a ladder")
  .action(async (flags) => (await import("./serve.ts")).runServe(flags));

const ctl = program.command("ctl").description("ask a service that runs on this machine how it is, or tell it something");
const ctlCommand = (name: string, description: string): Command =>
  ctl
    .command(name)
    .description(description)
    .option("-c, --config <file>", "configuration file of the service (default: the demo that runs)")
    .option("--data <dir>", "its folder of accounts, logs and the operator key")
    .option("--socket <file>", "the socket where it answers")
    .option("--json", "print one JSON object");
const runCtl = async (...asked: Parameters<typeof import("./ctl/command.ts")["runCtl"]>): Promise<void> =>
  (await import("./ctl/command.ts")).runCtl(...asked);
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
  .action(async (flags) => (await import("./backup/backup.ts")).runBackup(flags));

program
  .command("restore")
  .description("bring back what a backup has; the service must not run")
  .requiredOption("--from <dir>", "folder of the backup")
  .requiredOption("--data <dir>", "folder for accounts, logs and the operator key")
  .option("--force", "replace what sipcast keeps there")
  .action(async (flags) => (await import("./backup/restore.ts")).runRestore(flags));

program.commandsGroup("For developers:").helpCommand("help [command]", "print the help of a command");
const simulate = program
  .command("simulate")
  .description("run a scenario of the product's own servers and clients in virtual time")
  .argument("[scenario]", "first-light, change or refuse", "first-light")
  .option("--seed <n>", "decides everything that is random", seed, 1)
  .option("--cops-ms <n>", "what COPS takes at an edge; the paper's figure is 100", whole(0, 1_000), 0)
  .option("--trace", "print every SIP and COPS message as a ladder")
  .option("--json", "print one JSON object")
  .action(async (scenario, flags) => (await import("./simulate.ts")).runSimulate(scenario, flags));
const campaign = (what: "faults" | "tables", description: string): Command =>
  simulate
    .command(what)
    .description(description)
    .option("--seeds <n>", "how many (default: 1000, or as many as --minutes allows)", whole(1, 1_000_000_000))
    .option("--from <seed>", "the first of them (default: a fresh one)", seed)
    .option("--minutes <n>", "stop after so much time", whole(1, 100_000))
    .option("--jobs <n>", "processes (default: one a core)", whole(1, 256))
    .option("--seed <n>", "this one alone, step by step", seed)
    .option("--script <file>", "a kept script, step by step")
    .option("--json", "print one JSON object")
    .action(async (flags) => (await import("./campaign.ts")).runCampaign(what, flags));
campaign("faults", "draw runs of people, servers and lines that fail from seeds, and check that no rule is broken").option(
  "--trace",
  "with --seed or --script: print every SIP and COPS message as a ladder",
);
campaign("tables", "the same for tables alone: what servers promised is found after crashes, lost disks and partitions");

process.on("uncaughtException", endBy);
try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof UsageError)) endBy(error);
  say(`sipcast: ${error.message}`);
  process.exitCode = 1;
}
