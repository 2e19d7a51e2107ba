import { text } from "#base/bytes.ts";
import { readRequest } from "#cops/engine/messages.ts";
import { type CopsMessage, objectOf } from "#cops/wire/message.ts";
import { formatUri, type SipMessage } from "#sip/wire/index.ts";

export type TokenKind = "call" | "handle" | "port";
/** What a token is called in a line: itself, or a short name in order of appearance. */
export type NameToken = (kind: TokenKind, token: string) => string;

/** `INVITE sip:bob-tv@tv.example call-1 [SDP: video 5004 recvonly]`, `200 OK (INVITE) call-1`. */
export function describeSip(message: SipMessage, nameToken: NameToken): string {
  const { headers } = message;
  const call = nameToken("call", headers.get("call-id") ?? "-");
  const inDialog = /;\s*tag=/i.test(headers.get("to") ?? "");
  const what =
    message.kind === "response"
      ? `${message.status} ${message.reason} (${headers.get("cseq")?.split(/\s+/)[1] ?? "?"})`
      : // within a dialog the Request-URI is the other side's Contact: an address that tells nobody anything
        inDialog || message.method === "REGISTER"
        ? message.method
        : `${message.method} ${formatUri({ ...message.uri, params: new Map(), headers: "" })}`;
  return [what, call, warning(message), reason(message), describeBody(message, nameToken)].filter(Boolean).join(" ");
}

const warning = ({ headers }: SipMessage): string =>
  headers.has("warning") ? `[Warning: ${headers.get("warning")?.slice(0, 3)}]` : "";
/** RFC 3326. */
const reason = ({ headers }: SipMessage): string => (headers.has("reason") ? `[Reason: ${headers.get("reason")}]` : "");

function describeBody({ headers, body }: SipMessage, nameToken: NameToken): string {
  if (body.length === 0) return "";
  const type = headers.get("content-type")?.split(";")[0]?.trim() ?? "?";
  return type === "application/sdp" ? `[SDP: ${describeSdp(text(body), nameToken)}]` : `[${type}]`;
}

/** Each medium with its port and direction (RFC 8866 §5.14, §6.7). */
function describeSdp(sdp: string, nameToken: NameToken): string {
  const media = sdp.split(/^m=/m).slice(1);
  if (media.length === 0) return "no media";
  return media
    .map((section) => {
      const [kind, port] = section.split(" ", 2);
      return [kind, nameToken("port", port ?? ""), /^a=(sendrecv|sendonly|recvonly|inactive)/m.exec(section)?.[1]]
        .filter(Boolean)
        .join(" ");
    })
    .join(", ");
}

const COMMANDS = ["Null", "Install", "Remove"]; // RFC 2748 §2.2.6
const REPORTS = ["?", "Success", "Failure", "Accounting"]; // RFC 2748 §2.2.12

/** `REQ 0x9101 handle-1`, for a lower rendition `REQ 0x9101 handle-1 news~2`; `DEC 0x9101 handle-1 Install`, `OPN 0x9101 edge1`. */
export function describeCops(message: CopsMessage, nameToken: NameToken): string {
  const handle = objectOf(message, "handle");
  const decision = objectOf(message, "decisionFlags");
  const report = objectOf(message, "reportType");
  const error = objectOf(message, "error");
  return [
    message.op,
    `0x${message.clientType.toString(16).padStart(4, "0")}`,
    handle && nameToken("handle", handle.handle),
    message.op === "REQ" && lowerRendition(message),
    decision && (COMMANDS[decision.command] ?? `command ${decision.command}`),
    report && (REPORTS[report.type] ?? `report ${report.type}`),
    objectOf(message, "pepId")?.id,
    error && `error ${error.code}`,
  ]
    .filter(Boolean)
    .join(" ");
}

/** What a REQ is about where that is not a channel's first rendition, which has the channel's name [B8]. */
function lowerRendition(message: CopsMessage): string | undefined {
  const read = readRequest(message);
  const stream = "request" in read ? read.request.attributes["channel"] : undefined;
  return typeof stream === "string" && stream.includes("~") ? stream : undefined;
}
