export { type HttpCounts, type WebServer, type WebServerPorts, webServer } from "./server.ts";
export { type StatusPort, type StatusReport, statusServer } from "./status.ts";
