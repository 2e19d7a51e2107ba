/**
 * TLS in the simulator: nothing is hidden, but who speaks it to one that does not fails, and so does a certificate of an
 * authority that is not trusted, or another's. In place of PEM a certificate is its authority's name and its own names, e.g.
 * "Authority DNS:ds1.example URI:sip:example"; `ca` is the name of an authority.
 */
import type { CertificateNames, TlsClient, TlsServer } from "#host/host.ts";
import { socketError } from "#host/socket-error.ts";

/** A certificate and key for a simulated host. */
export const simCertificate = (authority: string, ...names: CertificateNames): { cert: string; key: string } => ({
  cert: [authority, ...names].join(" "),
  key: "",
});

/** Why the two cannot talk; `undefined` = they can. */
export function tlsFault(client: TlsClient | undefined, server: TlsServer | undefined): Error | undefined {
  if (!client && !server) return undefined;
  if (!client || !server) return socketError("ECONNRESET", "handshake");
  const { issuer, names } = read(server.cert);
  if (issuer !== client.ca) return socketError("UNABLE_TO_VERIFY_LEAF_SIGNATURE", "handshake");
  const accepted = client.accepts?.(names) ?? names.includes(`DNS:${client.serverName}`);
  return accepted ? undefined : socketError("ERR_TLS_CERT_ALTNAME_INVALID", "handshake");
}

/** Whom the server's certificate names, to the client; and the other way where the server asks. */
export const namesOf = (cert: string): CertificateNames => read(cert).names;
export function clientNames(client: TlsClient | undefined, server: TlsServer | undefined): CertificateNames | undefined {
  if (client?.cert === undefined || server?.ca === undefined) return undefined;
  const { issuer, names } = read(client.cert);
  return issuer === server.ca ? names : undefined;
}

function read(cert: string): { issuer: string | undefined; names: CertificateNames } {
  const [issuer, ...names] = cert.split(" ");
  return { issuer, names };
}
