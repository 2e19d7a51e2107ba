/** The edge router's agent: reservations, groups and delivery of one site [B7]. */
export { Edge, type EdgePorts, type EdgeReservation, type EdgeServiceConfig } from "./service.ts";
