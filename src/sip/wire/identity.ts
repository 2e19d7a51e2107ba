import type { CertificateNames } from "#host/host.ts";
import { parseUri } from "./uri.ts";

/**
 * Whether a certificate speaks for that domain: a SIP URI without user names it, or, where there is none such, a DNS name
 * (RFC 5922 §7.1). Compared whole and without case; a wildcard is nobody's name (§7.2). An IPv6 address is given in brackets.
 */
export function namesDomain(names: CertificateNames, domain: string): boolean {
  const sip = names.flatMap((name) => domainOfUri(/^URI:(.*)$/.exec(name)?.[1] ?? "") ?? []);
  const identities = sip.length > 0 ? sip : names.flatMap((name) => /^DNS:(.*)$/.exec(name)?.[1]?.toLowerCase() ?? []);
  return identities.includes(domain.toLowerCase());
}

function domainOfUri(text: string): string | undefined {
  const uri = parseUri(text);
  return uri?.scheme === "sip" && uri.user === "" ? uri.host : undefined;
}
