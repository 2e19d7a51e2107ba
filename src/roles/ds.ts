import { Alarms } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import { CLIENT_TYPE, CopsPep, copsKey } from "#cops/index.ts";
import type { Host, Timer } from "#host/host.ts";
import { copiedTo, type Table } from "#overlay/types.ts";
import type { RegistrationPushes, RegistrationTopics } from "#registration/types.ts";
import {
  type Binding,
  type BindingRow,
  Calls,
  Challenger,
  type Destination,
  type Hop,
  NatKeeper,
  portOf,
  RegisterRelay,
  Registrar,
  registerClaim,
  SipDriver,
  SipProxy,
  type TransactionUser,
} from "#sip/index.ts";
import type { SipRequest, SipUri } from "#sip/wire/message.ts";
import { ownUri, sipUri } from "#sip/wire/uri.ts";
import { callIdOf, fromOf, fromTagOf, nameAddr } from "#sip/wire/values.ts";
import {
  Admission,
  CallRecords,
  ChannelCalls,
  type ChannelPorts,
  Directory,
  DsServer,
  type OnAir,
  type Session,
} from "#tv/index.ts";
import { addTransports } from "./ds-transports.ts";
import { Fellows, peerPort } from "./peers.ts";
import type { DsConfig, RoleContext, RunningRole } from "./types.ts";

const JOIN_ID_DIGITS = 32;
const CATCH_UP_EVERY_MS = 500;
/** A change that was pushed and lost is known so much later. */
const LOOK_EVERY_MS = 10_000;
/** Why calls end when a DS stops (RFC 3326). */
const SHUTDOWN = 'SIP;cause=503;text="Server stops"';

export interface RunningDs extends RunningRole {
  readonly id: string;
  readonly calls: ChannelCalls;
  readonly admission: Admission;
  readonly server: DsServer;
  readonly proxy: SipProxy;
  readonly registerRelay: RegisterRelay;
  readonly sip: SipDriver;
  readonly pep: CopsPep;
  readonly records: CallRecords;
  /** What it knows of the whole operator. */
  readonly tables: Pick<ChannelPorts, "onAir" | "sessions">;
}

/** A DS server [B2]: registrar and channel sessions over UDP and WebSocket, PEP of its edge. Serves once it knows its users. */
export function startDs(context: RoleContext, config: DsConfig): RunningDs {
  const { host, overlay, log, operatorKey } = context;
  const { id, domain } = config;
  const { pep, admission } = startPep(context, config);
  const sip: SipDriver = new SipDriver(
    host,
    { log },
    handedTo(() => server),
  );
  const ground = groundOf(context, config, sip);
  const { directory, isHere } = ground;
  const people = startPeople(ground);
  const { calls, channelCalls, records, ports, alarms } = startChannels(ground, people.proxy, admission);
  const server: DsServer = new DsServer({
    transactions: sip,
    calls,
    ...people,
    directory,
    challenger: new Challenger({ host, credentials: directory }, operatorKey, { realm: domain, algorithms: config.digest }),
    isHere,
    domain,
    isReady: () => overlay.self.phase !== "joining",
    isPeer: (request) => ports.peers.isPeer(request),
  });
  addTransports(sip, context, config);
  overlay.whenCaughtUp(() => {
    channelCalls.resume(id, host.nowMs());
    server.resumed();
    if (channelCalls.count > 0) log.info("DS goes on with its calls", { id, calls: channelCalls.count });
  });
  const stopLearning = learnSubscribers(context, directory);
  const { proxy, registerRelay, natKeeper } = people;
  return {
    id,
    calls: channelCalls,
    admission,
    server,
    proxy,
    registerRelay,
    tables: ports,
    sip,
    pep,
    records,
    stop(stopped) {
      stopLearning();
      overlay.setPhase("draining");
      for (const call of [...records.open(), ...channelCalls.placed()]) calls.end(call, SHUTDOWN);
      records.whenNone(LIMITS.dsGoodbyeMs, () => {
        overlay.leave();
        alarms.clear();
        for (const part of [admission, pep, calls, natKeeper, registerRelay, sip]) part.stop();
        stopped();
      });
    },
  };
}

/** What asks its edge for bandwidth. */
function startPep({ host, log }: RoleContext, { id, edge, integrity }: DsConfig): { pep: CopsPep; admission: Admission } {
  const pep = new CopsPep(
    host,
    {
      peer: edge,
      pepId: id,
      clientTypes: [CLIENT_TYPE.provisioning, CLIENT_TYPE.admission],
      ...(integrity && { integrity: copsKey(integrity) }),
      log,
    },
    {
      onOpened: (clientType) => admission.onOpened(clientType),
      onDecision: (handle, decision) => admission.onDecision(handle, decision),
      onSynchronize: (clientType, handle) => admission.onSynchronize(clientType, handle),
      onLost: () => admission.onLost(),
    },
  );
  const admission = new Admission(host, pep);
  return { pep, admission };
}

/** The driver is there before its user, who sends by it. */
const handedTo = (server: () => DsServer): TransactionUser => ({
  answerAtOnce: (request) => server().answerAtOnce(request),
  onRequest: (request, id, flow) => server().onRequest(request, id, flow),
  onAck: (request, flow) => server().onAck(request, flow),
  onCancel: (id) => server().onCancel(id),
  onResponse: (response, id, flow) => server().onResponse(response, id, flow),
  onFailure: (id, cause) => server().onFailure(id, cause),
  onSettled: (id) => server().onSettled(id),
  onFlowClosed: (flow) => server().onFlowClosed(flow),
});

/** What all services of a DS stand on. */
interface Ground {
  readonly context: RoleContext;
  readonly config: DsConfig;
  readonly sip: SipDriver;
  readonly hostName: string;
  readonly isHere: (uri: SipUri) => boolean;
  readonly fellows: Fellows;
  readonly directory: Directory;
  readonly bindings: Table<Binding>;
}
function groundOf(context: RoleContext, config: DsConfig, sip: SipDriver): Ground {
  const { overlay } = context;
  const { id, domain } = config;
  const hostName = `${id}.${domain}`;
  return {
    context,
    config,
    sip,
    hostName,
    isHere: (uri) => uri.host === domain || uri.host === hostName || sip.isOwn(uri.host, portOf(uri)),
    fellows: new Fellows(overlay, domain, (transport) => sip.serves(transport)),
    directory: new Directory(),
    bindings: overlay.table<Binding>("bindings", copiedTo("ds")),
  };
}

/** Where people are, and how requests reach them. */
function startPeople({ context, config: { domain }, sip, isHere, fellows, directory, bindings }: Ground) {
  const { host, overlay, operatorKey } = context;
  const peerAt = (uri: SipUri): Destination | undefined => fellows.of(uri);
  const proxy = new SipProxy({ transactions: sip, network: sip, bindings, isHere, peerAt, host }, operatorKey, domain);
  const flowOf = (row: BindingRow): ReturnType<SipProxy["flowOf"]> => proxy.flowOf(row);
  const registrar = new Registrar(
    { table: bindings, host, edgeOf: (register, contact, flow) => proxy.edgeOf(register, contact, flow), flowOf },
    { domain },
  );
  const natKeeper = new NatKeeper({ transactions: sip, bindings, flowOf, host }, sipUri({ host: domain }));
  const registerRelay = new RegisterRelay(
    {
      transactions: sip,
      registrar,
      host,
      homeOf: (user) => fellows.serving(directory.subscriber(user)?.home ?? ""),
      pathOf: (register, flow) => proxy.pathOf(register, flow),
      claim: (register) => registerClaim(host, operatorKey, overlay.self.id, register),
    },
    domain,
  );
  return { proxy, registrar, natKeeper, registerRelay };
}

/** Calls to channels: who is on air, who watches. */
function startChannels(ground: Ground, proxy: SipProxy, admission: Admission) {
  const { context, sip, fellows } = ground;
  const { host, overlay, log } = context;
  const calls: Calls = new Calls(
    {
      transactions: sip,
      host,
      // The connection between two DSs may have closed, and one to a client with the process that had it.
      destination: (to, last) => fellows.of(to.nextHop) ?? ("id" in last ? last : (proxy.flowTo(to.far) ?? last)),
      user: {
        onInvite: (call, request, flow, replaces) => {
          records.begun(call, request);
          if (overlay.self.phase === "draining") recorded.reject(call, 503);
          else channelCalls.onInvite(call, request, flow, replaces);
        },
        onProvisional: (call, response) => channelCalls.onProvisional(call, response),
        onAnswered: (call, response) => channelCalls.onAnswered(call, response),
        onEstablished: (call, ack) => channelCalls.onEstablished(call, ack),
        onEnded: (call, end) => {
          channelCalls.onEnded(call, end);
          records.ended(call, end);
        },
      },
    },
    { supported: ["replaces"] },
  );
  const records = new CallRecords(host, log);
  const recorded = records.recording(calls);
  const alarms = new Alarms(host);
  const ports = channelPorts(ground, proxy, { calls: recorded, admission, alarms });
  const channelCalls = new ChannelCalls(ports, (request) => fromOf(request)?.uri.user ?? "");
  return { calls, records, alarms, ports, channelCalls };
}

function channelPorts(
  { context, config, sip, hostName, isHere, fellows, directory, bindings }: Ground,
  proxy: SipProxy,
  { calls, admission, alarms }: Pick<ChannelPorts, "calls" | "admission"> & { readonly alarms: Alarms },
): ChannelPorts {
  const { host, overlay } = context;
  const { id, site, edgeId, domain, askSequentially = false } = config;
  const onAir = overlay.table<OnAir>("channels", copiedTo("ds", "web"));
  const contactsHere = (aor: string): readonly Hop[] => proxy.contactsHere(aor);
  return {
    calls,
    admission,
    directory,
    onAir,
    sessions: overlay.table<Session>("sessions", copiedTo("ds")),
    peers: peerPort(context, domain, { bindings, fellows, isHere, contactsHere, onAir }),
    here: { site, edgeId, domain, hostName, isSequential: askSequentially },
    contact: (to) => nameAddr(ownUri(id, sip.localUri(to))),
    joinId: (request) => joinId(host, request),
    wallMs: () => host.wallMs(),
    alarm(afterMs, ring) {
      const alarm = alarms.at(host.nowMs() + afterMs, ring);
      return () => alarms.delete(alarm);
    },
  };
}

/** A reservation's own name: from the SIP session's Call-ID and the caller's tag (PROTOCOL §7). */
function joinId(host: Host, request: SipRequest): string {
  const session = `${callIdOf(request)} ${fromTagOf(request)}`;
  return host.digestHex("SHA-256", session).slice(0, JOIN_ID_DIGITS);
}

/**
 * Takes what registration pushes, asks for all that was before, and serves from then on (DESIGN §5), as long as its log can be
 * written: who cannot promise leaves what is new to other DSs. Pushes may be lost: whether there was one is asked every now and
 * then.
 */
function learnSubscribers({ host, overlay, log }: RoleContext, directory: Directory): () => void {
  overlay.handle("push.subscriber", (body) => directory.putSubscriber(body as RegistrationPushes["push.subscriber"]));
  overlay.handle("push.channel", (body) => directory.putChannel(body as RegistrationPushes["push.channel"]));
  let timer: Timer | undefined;
  let known: string | undefined; // version of what was learnt whole
  let isStalled = false;
  const review = (): void => {
    const phase = known === undefined || isStalled ? "joining" : "serving";
    if (overlay.self.phase !== "draining" && overlay.self.phase !== phase) overlay.setPhase(phase);
  };
  /** `version`: of the first piece. */
  const catchUp = (after?: string, version?: string): void => {
    const later = (ms: number, ...next: Parameters<typeof catchUp>): void => {
      timer = host.timer(host.nowMs() + ms, () => catchUp(...next));
    };
    const registration = overlay.members("registration")[0];
    if (!registration) return later(CATCH_UP_EVERY_MS, after, version);
    const asked: Record<string, string> = after !== undefined ? { after } : known !== undefined ? { unless: known } : {};
    overlay.request(registration.id, "registration.catch-up", asked, (reply) => {
      if (!reply.ok) return later(CATCH_UP_EVERY_MS, after, version);
      const piece = reply.body as unknown as RegistrationTopics["registration.catch-up"]["reply"];
      if ("error" in piece) return later(CATCH_UP_EVERY_MS, after, version);
      for (const record of piece.subscribers) directory.putSubscriber(record);
      for (const record of piece.channels) directory.putChannel(record);
      if (piece.next !== undefined) return catchUp(piece.next, version ?? piece.version);
      if (known === undefined) log.info("DS serves", { id: overlay.self.id });
      known = version ?? piece.version;
      review();
      later(LOOK_EVERY_MS);
    });
  };
  overlay.whenCaughtUp(() => catchUp());
  overlay.onStall((cause) => {
    isStalled = cause !== undefined;
    review();
  });
  return () => timer?.cancel();
}
