import { readAddress } from "#host/addresses.ts";
import type { Table } from "#overlay/types.ts";
import {
  aorOf,
  type Binding,
  type Destination,
  PEER_HEADER,
  parseNameAddr,
  parseUri,
  peerClaim,
  peerOf,
  type Registrar,
  sipUri,
} from "#sip/index.ts";
import type { ChannelPorts } from "#tv/index.ts";
import type { RoleContext } from "./types.ts";

interface Known {
  readonly bindings: Table<Binding>;
  readonly registrar: Registrar;
  readonly onAir: ChannelPorts["onAir"];
}

/** How a DS finds broadcasters and speaks with the operator's other DSs (PROTOCOL §1, §5). */
export function peerPort(
  { host, overlay, operatorKey }: RoleContext,
  domain: string,
  { bindings, registrar, onAir }: Known,
): ChannelPorts["peers"] {
  /** Newest first. */
  const bindingsOf = (user: string) =>
    [...registrar.location.bindings(aorOf(sipUri({ user, host: domain })))].sort((a, b) => b.expiresAtMs - a.expiresAtMs);
  return {
    sideOf({ name, owner }) {
      const server = onAir.get(name)?.owner ?? bindingsOf(owner).map(({ key }) => bindings.get(key)?.owner)[0];
      if (server === undefined) return undefined;
      if (server === overlay.self.id) return "here";
      const at = readAddress(overlay.members("ds").find(({ id }) => id === server)?.info["sip"] ?? "");
      return at && { transport: "udp", ...at };
    },
    contacts: (user) =>
      bindingsOf(user).flatMap((binding) => {
        const target = parseNameAddr(binding.value.contact)?.uri;
        const via = registrar.flowOf(binding) ?? destinationOf(binding.value.received);
        const route = binding.value.path.flatMap((hop) => parseNameAddr(hop) ?? []);
        return target && via ? [{ target, route, via }] : [];
      }),
    claim: (sessionId, from, to) => [PEER_HEADER, peerClaim(host, operatorKey, overlay.self.id, { sessionId, from, to })],
    isPeer: (request) => peerOf(host, operatorKey, request) !== undefined,
  };
}

/** Where a REGISTER over UDP came from; a connection of another run of this server is gone. */
function destinationOf(received: string): Destination | undefined {
  const uri = parseUri(received);
  if (uri?.port === undefined || uri.params.get("transport") !== "udp") return undefined;
  return { transport: "udp", host: uri.host.replace(/^\[|\]$/g, ""), port: uri.port };
}
