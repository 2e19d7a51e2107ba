import { readAddress } from "#host/addresses.ts";
import { showAddress } from "#host/host.ts";
import type { MemberId, Overlay, Table } from "#overlay/types.ts";
import {
  aorOf,
  type Binding,
  type Destination,
  type Hop,
  type Location,
  PEER_HEADER,
  parseNameAddr,
  peerClaim,
  peerOf,
  portOf,
  routesTo,
  sipUri,
} from "#sip/index.ts";
import type { SipUri } from "#sip/wire/message.ts";
import type { ChannelPorts } from "#tv/index.ts";
import type { RoleContext } from "./types.ts";

/** The operator's other DSs, as far as they are members at present. */
export class Fellows {
  readonly #overlay: Overlay;

  constructor(overlay: Overlay) {
    this.#overlay = overlay;
  }

  /** Where that DS is reached; `undefined` = it is this one, or not there. */
  at(id: MemberId): Destination | undefined {
    return this.#destination(({ id: other }) => other === id);
  }
  /** The same where it takes new users: it is neither starting nor stopping. */
  serving(id: MemberId): Destination | undefined {
    return this.#destination(({ id: other, phase }) => other === id && phase === "serving");
  }
  /** Whose SIP address a URI is. */
  of(uri: SipUri): Destination | undefined {
    const at = showAddress({ host: uri.host.replace(/^\[|\]$/g, ""), port: portOf(uri) });
    return this.#destination(({ info }) => info["sip"] === at);
  }

  #destination(isMeant: (member: ReturnType<Overlay["members"]>[number]) => boolean): Destination | undefined {
    const { self } = this.#overlay;
    const found = this.#overlay.members("ds").find((member) => member.id !== self.id && isMeant(member));
    const at = readAddress(found?.info["sip"] ?? "");
    return at && { transport: "udp", ...at };
  }
}

interface Known {
  readonly bindings: Table<Binding>;
  readonly location: Location;
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
  { bindings, location, fellows, isHere, contactsHere, onAir }: Known,
): ChannelPorts["peers"] {
  const aor = (user: string): string => aorOf(sipUri({ user, host: domain }));
  const server = (id: MemberId): "here" | Destination | undefined => (id === overlay.self.id ? "here" : fellows.at(id));
  return {
    sideOf({ name, owner }) {
      const live = onAir.get(name)?.owner;
      if (live !== undefined) return server(live);
      const [newest] = [...location.bindings(aor(owner))].sort((a, b) => b.expiresAtMs - a.expiresAtMs);
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
