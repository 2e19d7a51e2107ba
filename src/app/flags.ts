/** What several commands are told alike, and how the values of flags are read. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { LIMITS } from "#base/limits.ts";
import { readAddress } from "#host/addresses.ts";
import { LOG_FORMATS, LOG_LEVELS } from "./config-schema.ts";

export const whole =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most)
      throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
    return value;
  };
export const seed = whole(0, 2 ** 31 - 1);
/** kbit/s. */
export const rate = whole(LIMITS.wishLeastKbps, LIMITS.wishMostKbps);
export function rateList(text: string): number[] {
  const rates = text.split(",").map(rate);
  const isDescending = rates.every((kbps, at) => at === 0 || kbps < (rates[at - 1] ?? 0));
  if (!isDescending) throw new InvalidArgumentError("Give each rate once, the highest first, e.g. 2000,800,300.");
  return rates;
}

const TRANSPORTS = ["udp", "tcp", "tls"] as const;
const DIGESTS = ["SHA-256", "MD5"] as const;
export function digestList(text: string): (typeof DIGESTS)[number][] {
  return text.split(",").map((name) => {
    const known = DIGESTS.find((digest) => digest.toLowerCase() === name.trim().toLowerCase());
    if (!known) throw new InvalidArgumentError(`Give SHA-256, MD5, or both separated by a comma.`);
    return known;
  });
}
export function addressText(text: string): string {
  if (!readAddress(text)) throw new InvalidArgumentError("Give an address and a port, e.g. 127.0.0.1:9060.");
  return text;
}

/** How a process that serves writes its log. */
export const logOptions = (command: Command): Command =>
  command
    .addOption(
      new Option("--log <format>", "how events are written to standard error (default: pretty on a terminal, else json)").choices(
        LOG_FORMATS,
      ),
    )
    .addOption(new Option("--log-level <level>", "the least that is written (default: info)").choices(LOG_LEVELS));
export const configOptions = (command: Command): Command =>
  command
    .requiredOption("-c, --config <file>", "configuration file in YAML; docs/configuration.md has every key")
    .option("--data <dir>", "folder of accounts, logs and the operator key, instead of the file's");
/** How a command line client reaches its DS and who it is; without them, the demo running on this machine is asked. */
export const clientOptions = (command: Command): Command =>
  command
    .option("--ds <host:port>", "SIP address of your DS (default: the demo on this machine)")
    .option("--domain <name>", "domain of the service (default: the demo's)")
    .option("--user <name>", "who you are (default: a sample account of the demo)")
    .addOption(new Option("--secret <secret>", "your device secret").env("SIPCAST_SECRET"))
    .addOption(new Option("--transport <name>", "how the DS is spoken to").choices(TRANSPORTS).default("udp"))
    .option("--ca <file>", "authorities of the DS's certificate in PEM, for --transport tls (default: this machine's)");
