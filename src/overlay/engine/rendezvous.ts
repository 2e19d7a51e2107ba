import { utf8 } from "#base/bytes.ts";
import { hashOf } from "./hash.ts";

/**
 * Who of several is in charge of a key: the one whose name and the key's group make the highest hash (Thaler and
 * Ravishankar, 1998). All who know the same members agree, and a member that goes moves none but its own keys.
 */
export function rendezvous(group: string, members: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestHash = -1;
  for (const member of members) {
    const hash = hashOf(utf8(`${member} ${group}`));
    if (hash > bestHash || (hash === bestHash && best !== undefined && member < best)) {
      best = member;
      bestHash = hash;
    }
  }
  return best;
}

/** What stands before the first space of a key: the keys of one group belong together. */
export function groupOf(key: string): string {
  const space = key.indexOf(" ");
  return space < 0 ? key : key.slice(0, space);
}
