import { utf8 } from "#base/bytes.ts";

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

/** FNV-1a, its bits mixed. 32 bits. */
export function hashOf(octets: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const octet of octets) hash = Math.imul(hash ^ octet, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** What stands before the first space of a key: the keys of one group belong together. */
export function groupOf(key: string): string {
  const space = key.indexOf(" ");
  return space < 0 ? key : key.slice(0, space);
}
