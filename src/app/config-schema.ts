import type { GroupKey, Value } from "#base/config.ts";
import { LIMITS } from "#base/limits.ts";

export const LOG_FORMATS = ["json", "pretty", "off"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A member's name in the whole operator's network; also a label of host names and the first part of media tokens. */
const ID = {
  kind: "text",
  pattern: /^[a-z][a-z0-9-]{0,31}$/,
  form: "a name of at most 32 letters a-z, digits and hyphens",
} as const;
const NAME = { kind: "text", pattern: /^\S.{0,63}$/, form: "a name of at most 64 characters" } as const;
const PATH = { kind: "text", pattern: /./, form: "a path" } as const;
const HOST = {
  kind: "text",
  pattern: /^[\d.]+$|^[\da-f:.]+$/i,
  form: "an address of this machine, without a port",
} as const;
const KBPS = { kind: "whole", unit: "kbit/s", least: 1, most: 100_000_000 } as const;
const ADDRESS = { kind: "address" } as const;
/** The process of roles that name none: the one that was started. */
export const MAIN = "main";
const PROCESS = {
  ...ID,
  default: MAIN,
  doc: "Process that it runs in, a child of the one that is started: roles of one name share it.",
} as const;
const PORT = { kind: "whole", unit: "", least: 1_024, most: 65_535 } as const;

const DS = {
  kind: "group",
  doc: "A DNS-SIP server: registrar, channel sessions, PEP of its edge.",
  keys: {
    id: { ...ID, doc: "Its member name; its host name is this and the domain." },
    process: PROCESS,
    site: { ...NAME, doc: "Where it stands, as the guide shows it." },
    udp: { ...ADDRESS, doc: "SIP over UDP." },
    ws: { ...ADDRESS, doc: "SIP over WebSocket, from the web role." },
    tcp: { ...ADDRESS, optional: true, doc: "SIP over TCP; must have the port of `udp` (RFC 3261 §18.2.1)." },
    tls: { ...ADDRESS, optional: true, doc: "SIP over TLS, usually port 5061; needs `certificate`." },
    wss: { ...ADDRESS, optional: true, doc: "SIP over secure WebSocket; needs `certificate`." },
    peers: {
      kind: "choice",
      of: ["udp", "tcp", "tls"],
      default: "udp",
      doc: "Which of these other DSs send to it by. What is too large for UDP goes over TCP anyway.",
    },
    certificate: {
      kind: "group",
      optional: true,
      doc: "For `tls` and `wss`: names the domain and this DS (RFC 5922). Files in PEM.",
      keys: {
        cert: { ...PATH, doc: "The certificate, with those between it and the authority." },
        key: { ...PATH, doc: "Its private key." },
        ca: { ...PATH, optional: true, doc: "Authorities of other domains' certificates; absent, the machine's." },
      },
    },
    edge: { ...ID, doc: "Member name of its edge, one of this file unless `edgeCops` says where it is." },
    edgeCops: {
      ...ADDRESS,
      optional: true,
      doc: "Where that edge takes COPS; absent, as its own `cops` says.",
    },
    digest: {
      kind: "list",
      of: { kind: "choice", of: ["SHA-256", "MD5"], doc: "A digest algorithm." },
      least: 1,
      most: 2,
      default: ["SHA-256", "MD5"],
      doc: "Digest algorithms offered to SIP devices, in this order (RFC 8760). Clients that know MD5 alone may take only the last.",
    },
    askOrder: {
      kind: "choice",
      of: ["parallel", "sequential"],
      default: "parallel",
      doc: "Whether a viewer of an `ask` channel is admitted while his broadcaster is asked, or only afterwards.",
    },
  },
} as const satisfies GroupKey;

const MEDIA = {
  kind: "group",
  doc: "Where streams pass.",
  keys: {
    address: {
      ...HOST,
      doc: "Address of RTP in and out; the only source of the edge's groups, so each edge has its own.",
    },
    multicastInterface: {
      ...HOST,
      optional: true,
      doc: "Address of the interface that groups are sent and joined on; absent, `address`.",
    },
    ws: { ...ADDRESS, doc: "Streams to pages over WebSocket, from the web role." },
    ingestFirst: { ...PORT, doc: "First UDP port that broadcasters send to." },
    ingestCount: {
      kind: "whole",
      unit: "",
      least: 1,
      most: 60_000,
      default: 100,
      doc: "How many ports from there on: channels on air at this edge at once.",
    },
    unicastFirst: {
      ...PORT,
      optional: true,
      doc: "First UDP port, even, that viewers with a stream of their own are sent from; absent, the next one after those for ingest.",
    },
    unicastCount: {
      kind: "whole",
      unit: "",
      least: 0,
      most: 30_000,
      default: 100,
      doc: "How many such viewers at once: each has two ports, RTP and RTCP.",
    },
  },
} as const satisfies GroupKey;

const EDGE = {
  kind: "group",
  doc: "An edge router's agent: decides what its DSs ask, relays streams.",
  keys: {
    id: { ...ID, doc: "Its member name, as the broker's topology has it." },
    process: PROCESS,
    site: { ...NAME, doc: "Where it stands." },
    cops: { ...ADDRESS, doc: "COPS from DSs." },
    broker: { ...ADDRESS, optional: true, doc: "Where its broker takes COPS; absent, that of this file." },
    media: MEDIA,
    members: {
      kind: "group",
      optional: true,
      doc: "The switch between this edge and its viewers: who left a group without a word is freed. Absent, by session timers.",
      keys: {
        bridge: {
          kind: "text",
          pattern: /^[^\s/]{1,15}$/,
          form: "the name of an interface",
          doc: "A bridge of this machine (Linux) that snoops IGMP; read with iproute2.",
        },
      },
    },
  },
} as const satisfies GroupKey;

const BROKER = {
  kind: "group",
  doc: "A bandwidth broker: decides with knowledge of the topology.",
  keys: {
    id: { ...ID, default: "broker", doc: "Its member name." },
    process: PROCESS,
    cops: { ...ADDRESS, doc: "COPS from edges." },
    groupPort: { ...PORT, default: 5_004, doc: "UDP port of every multicast group." },
    edges: {
      kind: "list",
      least: 1,
      most: LIMITS.brokerEdges,
      of: {
        kind: "group",
        doc: "An edge of the topology.",
        keys: {
          id: { ...ID, doc: "The edge's member name." },
          site: { ...NAME, doc: "Where it stands." },
          accessKbps: { ...KBPS, doc: "The site's access network, all viewers together." },
          coreLinks: {
            kind: "list",
            of: { ...NAME, doc: "Name of a link." },
            least: 0,
            most: 64,
            doc: "Names of the links from this edge to the core's hub; a path between edges is the union of theirs.",
          },
        },
      },
      doc: "The edges that it serves.",
    },
    links: {
      kind: "list",
      least: 0,
      most: 65_536,
      of: {
        kind: "group",
        doc: "A link of the core.",
        keys: {
          name: { ...NAME, doc: "Its name." },
          kbps: { ...KBPS, doc: "What may be promised on it." },
        },
      },
      doc: "The links of the core that edges share.",
    },
  },
} as const satisfies GroupKey;

const REGISTRATION = {
  kind: "group",
  optional: true,
  doc: "Accounts, device secrets, channels. At most one.",
  keys: {
    id: { ...ID, default: "registration", doc: "Its member name." },
    process: PROCESS,
    database: {
      ...PATH,
      optional: true,
      doc: 'SQLite file, or ":memory:" to forget all at the end; absent, registration.sqlite in `data`.',
    },
    placement: {
      kind: "list",
      least: 0,
      most: 65_536,
      of: {
        kind: "group",
        doc: "Which DS is nearest to an address.",
        keys: {
          ds: { ...ID, doc: "Member name of the DS." },
          prefix: {
            kind: "text",
            pattern: /^[\da-f:.]+\/\d{1,3}$/i,
            form: "a prefix like 10.1.0.0/16",
            doc: "Addresses that it is nearest to; the longest prefix wins.",
          },
        },
      },
      doc: "Which DS new accounts get, by the address that they sign up from.",
    },
  },
} as const satisfies GroupKey;

const WEB = {
  kind: "group",
  doc: "The page, its API, and its WebSockets to DSs and edges.",
  keys: {
    id: { ...ID, default: "web", doc: "Its member name." },
    process: PROCESS,
    listen: { ...ADDRESS, doc: "HTTP; /livez, /readyz, and /metrics where there is no `admin`." },
    pages: {
      ...PATH,
      optional: true,
      doc: "Folder of the built page; absent, the one that comes with the program.",
    },
    sip: { kind: "table", of: { ...ADDRESS, doc: "Its `ws`." }, doc: "DSs of other files: member name to `ws` address." },
    media: {
      kind: "table",
      of: { ...ADDRESS, doc: "Its `media.ws`." },
      doc: "Edges of other files: member name to `media.ws` address.",
    },
  },
} as const satisfies GroupKey;

const several = <K extends GroupKey>(of: K, doc: string) => ({ kind: "list", of, least: 0, most: 1_000, doc }) as const;

const NATS = {
  kind: "group",
  optional: true,
  doc: "Servers of NATS that join the roles of several machines; `sipcast init` makes what they need. All share the operator key in `data`.",
  keys: {
    servers: {
      kind: "list",
      least: 1,
      most: 64,
      of: {
        kind: "text",
        pattern: /^(?:[a-z\d.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i,
        form: "a server like nats1.tv.example:4222",
        doc: "A server.",
      },
      doc: "Addresses or names, as their certificates have them; the site's own first. Without a port, 4222.",
    },
    tls: {
      kind: "group",
      doc: "Servers are spoken to by TLS alone. Files in PEM.",
      keys: {
        ca: { ...PATH, doc: "The authority of their certificates." },
        cert: { ...PATH, optional: true, doc: "This machine's certificate, where they ask for one; with `key`." },
        key: { ...PATH, optional: true, doc: "Its private key." },
      },
    },
    nkey: { ...PATH, doc: "File of the nkey's seed by which servers know this operator." },
  },
} as const satisfies GroupKey;

/** Every key that `sipcast serve` knows. */
export const CONFIG_SCHEMA = {
  kind: "group",
  doc: "Configuration of one machine's roles.",
  keys: {
    domain: {
      kind: "text",
      pattern: /^(?=.{1,253}$)[a-z0-9-]+(\.[a-z0-9-]+)*$/,
      form: "a domain in small letters, e.g. tv.example",
      doc: "Domain of the service: of every address-of-record, and the realm of digest.",
    },
    data: {
      ...PATH,
      optional: true,
      doc: "Folder of what outlives the process: accounts, logs, operator key. Made with mode 0700.",
    },
    origins: {
      kind: "list",
      of: {
        kind: "text",
        pattern: /^https?:\/\/[^/\s]+$/,
        form: "an origin like https://tv.example",
        doc: "An origin.",
      },
      least: 0,
      most: 100,
      doc: "Origins of pages that may change anything or open WebSockets; empty, those of `web` on this machine.",
    },
    log: {
      kind: "group",
      doc: "What is written to standard error.",
      keys: {
        format: {
          kind: "choice",
          of: LOG_FORMATS,
          optional: true,
          doc: "One JSON object or one readable line an event; absent, pretty on a terminal and json elsewhere.",
        },
        level: {
          kind: "choice",
          of: LOG_LEVELS,
          default: "info",
          doc: "The least that is written.",
        },
      },
    },
    admin: { ...ADDRESS, optional: true, doc: "A listener of its own for /metrics, /livez and /readyz, of all processes." },
    capture: {
      kind: "group",
      doc: "SIP and COPS messages for those who look after the network.",
      keys: {
        hep: {
          ...ADDRESS,
          optional: true,
          doc: "Where they go as HEP version 3 over UDP, e.g. a Homer server.",
        },
        agentId: {
          kind: "whole",
          unit: "",
          least: 1,
          most: 4_294_967_295,
          default: 1,
          doc: "HEP capture agent id of this process.",
        },
        pcap: {
          ...PATH,
          optional: true,
          doc: "File that they are written to, replaced at each start; one more for each other process, with its name.",
        },
      },
    },
    copsIntegrity: {
      kind: "group",
      optional: true,
      doc: "Seals what servers say to one another by COPS (RFC 2748 §4.1); the same at all of an operator. Absent, nothing is sealed.",
      keys: {
        keyId: { kind: "whole", unit: "", least: 0, most: 4_294_967_295, default: 1, doc: "Number of the key." },
        key: {
          kind: "text",
          pattern: /^.{16,256}$/,
          form: "a secret of 16 to 256 characters",
          doc: "The key: best given by the environment.",
        },
      },
    },
    stop: {
      kind: "group",
      doc: "How the process ends on SIGTERM.",
      keys: {
        noticeMs: {
          kind: "whole",
          unit: "ms",
          least: 0,
          most: 300_000,
          default: 0,
          doc: "How long /readyz says 503 before calls are ended.",
        },
      },
    },
    overlay: {
      kind: "group",
      doc: "What joins the roles of one operator. Those of this file need nothing.",
      keys: { nats: NATS },
    },
    ds: several(DS, "DNS-SIP servers."),
    edge: several(EDGE, "Edge router agents."),
    broker: several(BROKER, "Bandwidth brokers, each of its own edges."),
    registration: REGISTRATION,
    web: several(WEB, "Servers of the page."),
  },
} as const satisfies GroupKey;

export type Config = Value<typeof CONFIG_SCHEMA>;
