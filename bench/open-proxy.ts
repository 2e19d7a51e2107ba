import type { Host } from "#host/host.ts";
import { copiedTo, type Overlay } from "#overlay/types.ts";
import { aorOf, type Binding, portOf, Registrar, response, SipDriver, SipProxy, sipUri, toOf, UdpTransport } from "#sip/index.ts";
import type { SipUri } from "#sip/wire/message.ts";
import { BENCH_DOMAIN } from "./users.ts";

/** The registrar and the proxy of a DS, for everybody: nobody is challenged, as with the peer's configuration for calls. */
export function startOpenProxy(host: Host, overlay: Overlay, port: number, listening: () => void): void {
  const isHere = (uri: SipUri): boolean => uri.host === BENCH_DOMAIN && portOf(uri) === port;
  const sip: SipDriver = new SipDriver(
    host,
    {},
    {
      onRequest: (request, id, flow) => {
        const came = proxy.arrived(request);
        const pass = came && proxy.passOf(came);
        if (came === undefined || pass === "forged") sip.respond(id, response(request, 400));
        else if (pass) proxy.relay(came.request, id, flow, pass.flowId);
        else if (request.method === "REGISTER") {
          const { response: answer, ticket } = registrar.onRegister(request, flow, toOf(request)?.uri.user ?? "");
          sip.respond(id, answer, ticket);
        } else proxy.toUser(came.request, id, flow, aorOf(sipUri({ user: came.request.uri.user, host: BENCH_DOMAIN })));
      },
      onAck: (request) => void proxy.onAck(request),
      onCancel: (id) => void proxy.onCancel(id),
      onResponse: (answer, id) => void proxy.onResponse(answer, id),
      onFailure: (id, cause) => void proxy.onFailure(id, cause),
      onSettled: (id) => proxy.onSettled(id),
      onFlowClosed: (flow) => proxy.onFlowClosed(flow),
    },
  );
  const bindings = overlay.table<Binding>("bindings", copiedTo("ds"));
  const registrar = new Registrar({ table: bindings, host }, { domain: BENCH_DOMAIN });
  const proxy: SipProxy = new SipProxy(
    { transactions: sip, network: sip, bindings, isHere, peerAt: () => undefined, host },
    new Uint8Array(32),
    BENCH_DOMAIN,
  );
  const failed = (error: Error): never => {
    throw error;
  };
  sip.addTransport(new UdpTransport(host, { host: BENCH_DOMAIN, port }, { listening, failed }));
}
