import os from "node:os";
import { Command } from "commander";
import { benchJoin } from "./join.ts";
import { benchOverlay } from "./overlay.ts";
import { benchSip, type SipFigures } from "./sip.ts";
import { benchSurvive } from "./survive.ts";
import { benchTables } from "./tables.ts";

const program = new Command("bench").description("CPU per operation, beside peers and the I/O floor, in one run");
const machine = { cpu: os.cpus()[0]?.model ?? "unknown", cores: os.availableParallelism(), node: process.version };
const say = (line: string): void => void process.stderr.write(`${line}\n`);

program
  .command("sip")
  .description("OPTIONS, REGISTER with digest and proxied calls, beside Kamailio and the I/O floor")
  .option("--peer <dir>", "the kit of the peer: its configurations and its load generator", "../shared/peers/kamailio")
  .option("--runs <n>", "runs of each, in turn", Number, 3)
  .option("--seconds <n>", "measured length of a run", Number, 3)
  .option("--json", "print one JSON object")
  .action(async ({ peer, runs, seconds, json }) => {
    const figures = await benchSip(peer, runs, seconds, say);
    process.stdout.write(
      json ? `${JSON.stringify({ bench: "sip", machine, runs, seconds, figures })}\n` : `${sipTable(figures)}\n`,
    );
  });

program
  .command("join")
  .description("joins of a channel on air: CPU per join, and from INVITE to 2xx")
  .option("--joins <n>", "how many", Number, 2_000)
  .option("--at-once <n>", "under way at a time", Number, 8)
  .option("--json", "print one JSON object")
  .action(async ({ joins, atOnce, json }) => {
    const figures = await benchJoin(joins, atOnce);
    process.stdout.write(
      json ? `${JSON.stringify({ bench: "join", machine, ...figures })}\n` : `${JSON.stringify(figures, null, 2)}\n`,
    );
  });

program
  .command("overlay")
  .description("frames between two members, on each carrier: CPU per frame")
  .option("--seconds <n>", "measured length of a run", Number, 3)
  .option("--octets <n>", "of a frame", Number, 300)
  .option("--at-once <n>", "under way at a time", Number, 64)
  .option("--json", "print one JSON object")
  .action(async ({ seconds, octets, atOnce, json }) => {
    const figures = await benchOverlay(seconds, octets, atOnce);
    process.stdout.write(
      json ? `${JSON.stringify({ bench: "overlay", machine, seconds, figures })}\n` : `${JSON.stringify(figures, null, 2)}\n`,
    );
  });

program
  .command("survive")
  .description("three DSs under load are killed over and over: nothing that they promised may be lost")
  .option("--seconds <n>", "of load and kills", Number, 120)
  .option("--users <n>", "devices that register, a few times each", Number, 3_000)
  .option("--nats", "machines that three servers of NATS join, which are killed as well; else processes of one machine")
  .option("--seed <n>", "whom is killed when", Number, Math.floor(Math.random() * 1_000_000))
  .option("--folder <dir>", "where the servers' folders are made: a real disk", os.tmpdir())
  .option("--base-port <n>", "first port", Number, 28_000)
  .option("--json", "print one JSON object")
  .action(async ({ nats = false, json, ...options }) => {
    say(`seed ${options.seed}`);
    const figures = await benchSurvive({ ...options, nats, everySec: { least: 2, most: 8 } }, say);
    process.stdout.write(
      json ? `${JSON.stringify({ bench: "survive", machine, ...figures })}\n` : `${JSON.stringify(figures, null, 2)}\n`,
    );
    if (figures.faults.length > 0) process.exitCode = 1;
  });

program
  .command("tables")
  .description("rows of a table: octets and CPU each, time until they are promised, and until they are everywhere")
  .option("--rows <n>", "of the largest table", Number, 1_000_000)
  .option("--folder <dir>", "where logs are made: a real disk", os.tmpdir())
  .option("--json", "print one JSON object")
  .action(async ({ json, ...options }) => {
    const figures = await benchTables(options, say);
    process.stdout.write(
      json ? `${JSON.stringify({ bench: "tables", machine, ...figures })}\n` : `${JSON.stringify(figures, null, 2)}\n`,
    );
  });

function sipTable(figures: readonly SipFigures[]): string {
  const rows = figures.map((figure) => {
    const floor = figures.find(({ workload, server }) => workload === figure.workload && server === "floor");
    const own = figure.cpuMicrosPerOperation - (floor?.cpuMicrosPerOperation ?? 0);
    const count =
      figure.instructionsPerOperation === undefined ? "-" : `${Math.round(figure.instructionsPerOperation / 1_000)} k`;
    const cells = [
      figure.workload,
      figure.server,
      String(figure.runs),
      measured(figure.cpuMicrosPerOperation, 1),
      measured(own, 1),
      count,
      measured(figure.operationsPerSec, 0),
      String(figure.failed),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [
    "| workload | server | quiet runs | CPU-µs | above the floor | instructions | per second | failed |",
    "|---|---|---|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

/** A dash where the machine was never quiet. */
const measured = (value: number, digits: number): string => (Number.isNaN(value) ? "-" : value.toFixed(digits));

await program.parseAsync();
