/** The edge router's agent: reservations, groups and delivery of one site [B7]. */
export type { MemberPort, MemberTable } from "./absences.ts";
export { Edge, type EdgePorts, type EdgeReservation, type EdgeServiceConfig } from "./service.ts";
