/** The bandwidth broker: decides with knowledge of the topology [B8]. */
export { Books, type Claim, type LinkState } from "./books.ts";
export { type BookedJoin, Broker } from "./service.ts";
export { Network, topologyFaults } from "./topology.ts";
