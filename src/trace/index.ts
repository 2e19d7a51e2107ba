export { Ladder, type LadderOptions } from "./ladder.ts";
