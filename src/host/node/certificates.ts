/** Certificates (RFC 5280) for an operator's servers: for `sipcast init`, and for tests of TLS. */
import "reflect-metadata"; // before the next, which needs it
import { isIP } from "node:net";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

/** A certificate and its key, PEM. */
export interface Certified {
  readonly cert: string;
  readonly key: string; // PKCS #8
}

const KEYS = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const KEY_USES = ["sign", "verify"] as const;
const SIP_DOMAIN = "1.3.6.1.5.5.7.3.20"; // RFC 5924 §4.1
const DOMAIN_NAME = /^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/i;
const SERIAL_OCTETS = 16;

/** An authority of `name`, with its own key, from `fromMs` for `lifetimeMs` of wall time. It signs servers, not authorities. */
export async function makeAuthority(name: string, fromMs: number, lifetimeMs: number): Promise<Certified> {
  const keys = await crypto.subtle.generateKey(KEYS, true, KEY_USES);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...common(fromMs, lifetimeMs),
    name: `CN=${name}`,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: certificate.toString("pem"), key: await pemOf(keys.privateKey) };
}

/**
 * A server's certificate. Each name is there as a DNS name (or an address), for WSS, and as a SIP URI: where there is one of
 * those, SIP looks at nothing else (RFC 5922 §7.1). Wildcards match nobody there (§7.2): they throw.
 */
export async function makeCertificate(
  authority: Certified,
  names: readonly [string, ...string[]],
  fromMs: number,
  lifetimeMs: number,
): Promise<Certified> {
  const bad = names.find((name) => !isIP(name) && !DOMAIN_NAME.test(name));
  if (bad !== undefined) throw new Error(`Cannot make a certificate for ${JSON.stringify(bad)}: it is no domain name`);
  const keys = await crypto.subtle.generateKey(KEYS, true, KEY_USES);
  const issuer = new X509Certificate(authority.cert);
  const extensions: Extension[] = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth, SIP_DOMAIN]),
    new SubjectAlternativeNameExtension(
      names.flatMap((name) => [
        { type: isIP(name) ? ("ip" as const) : ("dns" as const), value: name },
        { type: "url" as const, value: `sip:${name.includes(":") ? `[${name}]` : name}` },
      ]),
    ),
    await SubjectKeyIdentifierExtension.create(keys.publicKey),
    await AuthorityKeyIdentifierExtension.create(issuer),
  ];
  const certificate = await X509CertificateGenerator.create({
    ...common(fromMs, lifetimeMs),
    subject: `CN=${names[0]}`,
    issuer: issuer.subject,
    publicKey: keys.publicKey,
    signingKey: await privateKeyOf(authority.key),
    extensions,
  });
  return { cert: certificate.toString("pem"), key: await pemOf(keys.privateKey) };
}

function common(fromMs: number, lifetimeMs: number) {
  const serial = crypto.getRandomValues(new Uint8Array(SERIAL_OCTETS));
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // positive, and not short (RFC 5280 §4.1.2.2)
  return {
    serialNumber: serial.toHex(),
    notBefore: new Date(fromMs),
    notAfter: new Date(fromMs + lifetimeMs),
    signingAlgorithm: KEYS,
  };
}

const pemOf = async (key: CryptoKey): Promise<string> =>
  PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
const privateKeyOf = (pem: string): Promise<CryptoKey> =>
  crypto.subtle.importKey("pkcs8", PemConverter.decodeFirst(pem), KEYS, false, ["sign"]);
