import { Deadlines, type Timed } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import { CLIENT_TYPE, CopsPep, copsKey } from "#cops/index.ts";
import type { Host, Timer } from "#host/host.ts";
import { copiedTo } from "#overlay/types.ts";
import type { RegistrationPushes, RegistrationTopics } from "#registration/types.ts";
import {
  type Binding,
  Calls,
  Challenger,
  NatKeeper,
  portOf,
  RegisterRelay,
  Registrar,
  registerClaim,
  SipDriver,
  SipProxy,
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
  readonly proxy: SipProxy;
  readonly sip: SipDriver;
  readonly pep: CopsPep;
  readonly records: CallRecords;
  /** What it knows of the whole operator. */
  readonly tables: Pick<ChannelPorts, "onAir" | "sessions">;
}

interface Alarm extends Timed {
  readonly ring: () => void;
}

/** A DS server [B2]: registrar and channel sessions over UDP and WebSocket, PEP of its edge. Serves once it knows its users. */
export function startDs(context: RoleContext, config: DsConfig): RunningDs {
  const { host, overlay, log, operatorKey } = context;
  const directory = new Directory();
  const pep = new CopsPep(
    host,
    {
      peer: config.edge,
      pepId: config.id,
      clientTypes: [CLIENT_TYPE.provisioning, CLIENT_TYPE.admission],
      ...(config.integrity && { integrity: copsKey(config.integrity) }),
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
  const sip: SipDriver = new SipDriver(
    host,
    { log },
    {
      answerAtOnce: (request) => server.answerAtOnce(request),
      onRequest: (request, id, flow) => server.onRequest(request, id, flow),
      onAck: (request, flow) => server.onAck(request, flow),
      onCancel: (id) => server.onCancel(id),
      onResponse: (response, id, flow) => server.onResponse(response, id, flow),
      onFailure: (id, cause) => server.onFailure(id, cause),
      onSettled: (id) => server.onSettled(id),
      onFlowClosed: (flow) => server.onFlowClosed(flow),
    },
  );
  const fellows = new Fellows(overlay, config.domain, (transport) => sip.serves(transport));
  const calls: Calls = new Calls(
    {
      transactions: sip,
      host,
      // The connection between two DSs may have closed, and one to a client with the process that had it.
      destination: (to, last) => fellows.of(to.nextHop) ?? ("id" in last ? last : (proxy.flowTo(to.far) ?? last)),
      user: {
        onInvite: (call, request, flow, replaces) => {
          records.begun(call, request);
          if (overlay.self.phase === "draining") answering.reject(call, 503);
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
  const answering = records.recording(calls);
  const alarms = new Deadlines<Alarm>(host, ({ ring }) => ring());
  const hostName = `${config.id}.${config.domain}`;
  const onAir = overlay.table<OnAir>("channels", copiedTo("ds", "web"));
  const bindings = overlay.table<Binding>("bindings", copiedTo("ds"));
  const isHere = (uri: SipUri): boolean =>
    uri.host === config.domain || uri.host === hostName || sip.isOwn(uri.host, portOf(uri));
  const registrar = new Registrar(
    {
      table: bindings,
      host,
      edgeOf: (register, contact, flow) => proxy.edgeOf(register, contact, flow),
      flowOf: (row) => proxy.flowOf(row),
    },
    { domain: config.domain },
  );
  const ports: ChannelPorts = {
    calls: answering,
    admission,
    directory,
    onAir,
    sessions: overlay.table<Session>("sessions", copiedTo("ds")),
    peers: peerPort(context, config.domain, {
      bindings,
      fellows,
      isHere,
      contactsHere: (aor) => proxy.contactsHere(aor),
      onAir,
    }),
    here: {
      site: config.site,
      edgeId: config.edgeId,
      domain: config.domain,
      hostName,
      isSequential: config.askSequentially ?? false,
    },
    contact: (to) => nameAddr(ownUri(config.id, sip.localUri(to))),
    joinId: (request) => joinId(host, request),
    wallMs: () => host.wallMs(),
    alarm: (afterMs, ring) => {
      const alarm: Alarm = { wheelAtMs: Infinity, ring };
      alarms.set(alarm, host.nowMs() + afterMs);
      return () => alarms.delete(alarm);
    },
  };
  const channelCalls = new ChannelCalls(ports, (request) => fromOf(request)?.uri.user ?? "");
  const proxy: SipProxy = new SipProxy(
    {
      transactions: sip,
      network: sip,
      bindings,
      isHere,
      peerAt: (uri) => fellows.of(uri),
      host,
    },
    operatorKey,
    config.domain,
  );
  const natKeeper = new NatKeeper(
    { transactions: sip, bindings, flowOf: (row) => proxy.flowOf(row), host },
    sipUri({ host: config.domain }),
  );
  const registerRelay = new RegisterRelay(
    {
      transactions: sip,
      registrar,
      host,
      homeOf: (user) => fellows.serving(directory.subscriber(user)?.home ?? ""),
      pathOf: (register, flow) => proxy.pathOf(register, flow),
      claim: (register) => registerClaim(host, operatorKey, overlay.self.id, register),
    },
    config.domain,
  );
  const server = new DsServer({
    transactions: sip,
    calls,
    proxy,
    registrar,
    registerRelay,
    natKeeper,
    directory,
    challenger: new Challenger({ host, credentials: directory }, operatorKey, {
      realm: config.domain,
      algorithms: config.digest,
    }),
    isHere,
    domain: config.domain,
    isReady: () => overlay.self.phase !== "joining",
    isPeer: (request) => ports.peers.isPeer(request),
  });
  addTransports(sip, context, config);
  overlay.whenCaughtUp(() => {
    channelCalls.resume(config.id, host.nowMs());
    server.resumed();
    if (channelCalls.count > 0) log.info("DS goes on with its calls", { id: config.id, calls: channelCalls.count });
  });
  const stopLearning = learnSubscribers(context, directory);
  return {
    id: config.id,
    calls: channelCalls,
    admission,
    proxy,
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
        admission.stop();
        alarms.clear();
        pep.stop();
        calls.stop();
        natKeeper.stop();
        registerRelay.stop();
        sip.stop();
        stopped();
      });
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
