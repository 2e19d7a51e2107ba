export { type WebServerConfig, type WebServerPorts, webServer } from "./server.ts";
