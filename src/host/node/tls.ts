/** TLS behind streams and message connections (RFC 8446; nothing older than TLS 1.2, RFC 8996). */

import { isIP } from "node:net";
import type { PeerCertificate, SecureContextOptions, TLSSocket } from "node:tls";
import { checkServerIdentity, connect, createServer, type Server } from "node:tls";
import { LIMITS } from "#base/limits.ts";
import type { Address, CertificateNames, TlsClient, TlsServer } from "../host.ts";
import { socketError } from "../socket-error.ts";
import type { HostCounters } from "./counters.ts";

const OLDEST = "TLSv1.2";

/** For `tls` and `https` servers alike. A peer's certificate is looked at (`namesShownBy`), not demanded. */
export const serverOptions = ({ cert, key, ca }: TlsServer) =>
  ({
    cert,
    key,
    minVersion: OLDEST,
    handshakeTimeout: LIMITS.connectMs,
    ...(ca !== undefined && { ca, requestCert: true, rejectUnauthorized: false }),
  }) satisfies SecureContextOptions & { handshakeTimeout: number };

export function createTlsServer(tls: TlsServer, accept: (socket: TLSSocket) => void, counters: HostCounters): Server {
  const server = createServer({ ...serverOptions(tls), noDelay: true }, accept);
  server.on("tlsClientError", () => void counters.tlsHandshakesFailed++);
  return server;
}

export function connectTls(to: Address, { serverName, ca, cert, key, accepts }: TlsClient): TLSSocket {
  return connect({
    host: to.host,
    port: to.port,
    minVersion: OLDEST,
    servername: isIP(serverName) ? "" : serverName,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    checkServerIdentity: (_, certificate) => {
      if (!accepts) return checkServerIdentity(serverName, certificate);
      return accepts(namesIn(certificate)) ? undefined : socketError("ERR_TLS_CERT_ALTNAME_INVALID", "check");
    },
  }).setNoDelay(true);
}

/** `undefined` unless a trusted authority signed it. */
export function namesShownBy(socket: TLSSocket): CertificateNames | undefined {
  return socket.authorized ? namesIn(socket.getPeerCertificate()) : undefined;
}

/** Node writes them as one line; a name that would confuse it stands in quotes (as JSON), and no domain is such a one. */
const namesIn = ({ subjectaltname = "" }: PeerCertificate): CertificateNames =>
  subjectaltname.split(", ").filter((name) => name !== "" && !name.includes('"'));
