import { readAddress } from "#host/addresses.ts";
import { showAddress } from "#host/host.ts";
import type { Member, MemberId, Overlay, Table } from "#overlay/types.ts";
import {
  aorOf,
  type Binding,
  type Destination,
  type Hop,
  newestFirst,
  PEER_HEADER,
  parseNameAddr,
  peerClaim,
  peerOf,
  portOf,
  routesTo,
  sipUri,
  type TransportName,
} from "#sip/index.ts";
import type { SipUri } from "#sip/wire/message.ts";
import type { ChannelPorts } from "#tv/index.ts";
import type { DsConfig, RoleContext } from "./types.ts";

/** What other DSs need to reach one: its address over UDP, and what they are to use instead, e.g. "tls 192.0.2.1:5061". */
export function dsInfo({ udp, peers = "udp", ...config }: DsConfig): Member["info"] {
  const sip = showAddress(udp);
  const at = peers === "udp" ? undefined : config[peers];
  return at ? { sip, peers: `${peers} ${showAddress(at)}` } : { sip };
}

/** The operator's other DSs, as far as they are members at present. */
export class Fellows {
  readonly #overlay: Overlay;
  readonly #domain: string;
  readonly #serves: (transport: TransportName) => boolean;

  /** `serves`: whether this DS has that transport, too; else UDP will do. */
  constructor(overlay: Overlay, domain: string, serves: (transport: TransportName) => boolean) {
    this.#overlay = overlay;
    this.#domain = domain;
    this.#serves = serves;
  }

  /** Where that DS is reached; `undefined` = it is this one, or not there. */
  at(id: MemberId): Destination | undefined {
    return this.#destination((other) => other.id === id);
  }
  /** The same where it takes new users: it is neither starting nor stopping. */
  serving(id: MemberId): Destination | undefined {
    return this.#destination((other) => other.id === id && other.phase === "serving");
  }
  /** Whose a URI is: by its address, or by its name, which it has over TLS. */
  of(uri: SipUri): Destination | undefined {
    const at = showAddress({ host: uri.host.replace(/^\[|\]$/g, ""), port: portOf(uri) });
    return this.#destination(
      (other) => uri.host === this.#nameOf(other) || other.info["sip"] === at || other.info["peers"]?.endsWith(` ${at}`) === true,
    );
  }

  #destination(isMeant: (member: Member) => boolean): Destination | undefined {
    const { self } = this.#overlay;
    const found = this.#overlay.members("ds").find((member) => member.id !== self.id && isMeant(member));
    if (!found) return undefined;
    const [wish, wished = ""] = found.info["peers"]?.split(" ") ?? [];
    const transport = (["tcp", "tls"] as const).find((name) => name === wish && this.#serves(name));
    const at = readAddress(transport ? wished : (found.info["sip"] ?? ""));
    if (transport === "tls") return at && { transport, ...at, domain: this.#nameOf(found) };
    return at && { transport: transport ?? "udp", ...at };
  }
  #nameOf({ id }: Member): string {
    return `${id}.${this.#domain}`;
  }
}

interface Known {
  readonly bindings: Table<Binding>;
  readonly fellows: Fellows;
  readonly isHere: (uri: SipUri) => boolean;
  /** `SipProxy.contactsHere`. */
  readonly contactsHere: (aor: string) => readonly Hop[];
  readonly onAir: ChannelPorts["onAir"];
}

/** How a DS finds broadcasters and speaks with the operator's other DSs (PROTOCOL §1, §5). */
export function peerPort(
  { host, overlay, operatorKey }: RoleContext,
  domain: string,
  { bindings, fellows, isHere, contactsHere, onAir }: Known,
): ChannelPorts["peers"] {
  const aor = (user: string): string => aorOf(sipUri({ user, host: domain }));
  const server = (id: MemberId): "here" | Destination | undefined => (id === overlay.self.id ? "here" : fellows.at(id));
  return {
    sideOf({ name, owner }) {
      const live = onAir.get(name)?.owner;
      if (live !== undefined) return server(live);
      const [newest] = newestFirst(bindings.under(aor(owner)));
      if (!newest) return undefined;
      const first = parseNameAddr(routesTo(newest.value)[0] ?? "")?.uri; // of the DS that has his flow, whose user he may not be
      if (first && isHere(first)) return "here";
      return (first && fellows.of(first)) ?? server(bindings.get(newest.key)?.owner ?? "");
    },
    contacts: (user) => contactsHere(aor(user)).map(({ uri, to }) => ({ target: uri, via: to })),
    claim: (sessionId, from, to) => [PEER_HEADER, peerClaim(host, operatorKey, overlay.self.id, { sessionId, from, to })],
    isPeer: (request) => peerOf(host, operatorKey, request) !== undefined,
  };
}
