/** Names of header fields: RFC 3261 §7.3.1, §7.3.3 and the IANA registry. */

/** Names as they are compared, and as they are written. Others are written with a capital after each hyphen. */
const USUAL = {
  accept: "Accept",
  allow: "Allow",
  "allow-events": "Allow-Events",
  authorization: "Authorization",
  "call-id": "Call-ID",
  contact: "Contact",
  "content-id": "Content-ID",
  "content-length": "Content-Length",
  "content-type": "Content-Type",
  cseq: "CSeq",
  event: "Event",
  expires: "Expires",
  from: "From",
  "max-breadth": "Max-Breadth",
  "max-forwards": "Max-Forwards",
  "mime-version": "MIME-Version",
  "min-expires": "Min-Expires",
  "min-se": "Min-SE",
  path: "Path",
  "proxy-authenticate": "Proxy-Authenticate",
  "proxy-authorization": "Proxy-Authorization",
  rack: "RAck",
  reason: "Reason",
  "record-route": "Record-Route",
  replaces: "Replaces",
  require: "Require",
  route: "Route",
  rseq: "RSeq",
  server: "Server",
  "session-expires": "Session-Expires",
  "session-id": "Session-ID",
  "sip-etag": "SIP-ETag",
  "sip-if-match": "SIP-If-Match",
  "subscription-state": "Subscription-State",
  supported: "Supported",
  timestamp: "Timestamp",
  to: "To",
  unsupported: "Unsupported",
  "user-agent": "User-Agent",
  via: "Via",
  warning: "Warning",
  "www-authenticate": "WWW-Authenticate",
};
const STARTS = new Map(Object.entries(USUAL).map(([name, spelled]) => [name, `\r\n${spelled}: `]));

const COMPACT = {
  a: "accept-contact",
  b: "referred-by",
  c: "content-type",
  d: "request-disposition",
  e: "content-encoding",
  f: "from",
  i: "call-id",
  j: "reject-contact",
  k: "supported",
  l: "content-length",
  m: "contact",
  o: "event",
  r: "refer-to",
  s: "subject",
  t: "to",
  u: "allow-events",
  v: "via",
  x: "session-expires",
  y: "identity",
};

/** From the usual spellings, so that names as they mostly come are found and not computed. */
const KNOWN = new Map([
  ...Object.entries(USUAL).flatMap(([name, spelled]) => [[name, name] as const, [spelled, name] as const]),
  ...Object.entries(COMPACT),
]);

/** The canonical form of a name that is spelled as it mostly is, and therefore a token. */
export const knownName = (name: string): string | undefined => KNOWN.get(name);

/** Lower case, long form: how names are compared. */
export function canonicalName(name: string): string {
  const known = KNOWN.get(name);
  if (known !== undefined) return known;
  const lower = name.toLowerCase();
  return KNOWN.get(lower) ?? lower;
}

/** How a field with that canonical name begins, the end of the line before it included. */
export const fieldStart = (name: string): string =>
  STARTS.get(name) ?? `\r\n${name.replace(/(?:^|-)[a-z]/g, (start) => start.toUpperCase())}: `;
