import path from "node:path";
import { type ConfigFlags, readChecked } from "../check.ts";
import { UsageError } from "../console.ts";
import { CONTROL_SOCKET } from "../data-folder.ts";
import type { Answer, Ask, Told } from "./control.ts";
import { SHOW } from "./show.ts";
import { askControl, controlPath, livingSockets } from "./socket.ts";

export interface CtlFlags extends Partial<ConfigFlags> {
  readonly socket?: string;
  readonly json?: boolean;
}

/** `sipcast ctl …`: asks a service that runs on this machine. */
export async function runCtl<Kind extends Ask["ask"]>(ask: Extract<Ask, { ask: Kind }>, flags: CtlFlags): Promise<void> {
  const answer = (await askControl(await socketOf(flags), ask)) as Answer;
  if (!answer.ok) throw new UsageError(answer.reason);
  const show: (told: Told[Kind]) => string = SHOW[ask.ask];
  process.stdout.write(`${flags.json ? JSON.stringify(answer.told) : show(answer.told as Told[Kind])}\n`);
}

/** Where that service is asked: as given, or the only one that keeps no data. */
async function socketOf({ socket, config, data }: CtlFlags): Promise<string> {
  if (socket !== undefined) return socket;
  if (data !== undefined) return path.join(data, CONTROL_SOCKET);
  if (config !== undefined) return controlPath(readChecked({ config }));
  const living = await livingSockets();
  const [only] = living;
  if (only === undefined)
    throw new UsageError("No demo runs here. Name the service that you mean: its --config FILE, or its --data DIR.");
  if (living.length > 1)
    throw new UsageError(`Several run here. Give one of them:\n${living.map((one) => `  --socket ${one}`).join("\n")}`);
  return only;
}
