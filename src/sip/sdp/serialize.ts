import { utf8 } from "#base/bytes.ts";
import type { SdpMedia, SdpSection, SessionDescription } from "./description.ts";

/** In the order of RFC 8866 §9. Throws on a line break within a value: it would be a line of its own. */
export function serializeSdp(sdp: SessionDescription): Uint8Array {
  const { origin } = sdp;
  const lines = [
    "v=0",
    `o=${origin.user} ${origin.sessionId} ${origin.sessionVersion} IN ${origin.family} ${origin.address}`,
    `s=${sdp.name}`,
    ...connectionLines(sdp),
    ...bandwidthLines(sdp),
    `t=${sdp.startSec} ${sdp.stopSec}`,
    ...attributeLines(sdp),
    ...sdp.media.flatMap((media) => [
      mediaLine(media),
      ...connectionLines(media),
      ...bandwidthLines(media),
      ...attributeLines(media),
    ]),
  ];
  const broken = lines.find((line) => /[\0\r\n]/.test(line));
  if (broken !== undefined) throw new Error(`A line break within ${JSON.stringify(broken)}`);
  return utf8(`${lines.join("\r\n")}\r\n`);
}

function connectionLines({ connection }: SdpSection): string[] {
  if (connection === undefined) return [];
  const numbers = [connection.ttl, connection.count].flatMap((number) => (number === undefined ? [] : [`/${number}`]));
  return [`c=IN ${connection.family} ${connection.address}${numbers.join("")}`];
}
const bandwidthLines = ({ bandwidth }: SdpSection): string[] => bandwidth.map(({ type, value }) => `b=${type}:${value}`);
const attributeLines = ({ attributes }: SdpSection): string[] =>
  attributes.map(({ name, value }) => (value === undefined ? `a=${name}` : `a=${name}:${value}`));
const mediaLine = ({ media, port, portCount, proto, formats }: SdpMedia): string =>
  `m=${media} ${port}${portCount === undefined ? "" : `/${portCount}`} ${proto} ${formats.join(" ")}`;
