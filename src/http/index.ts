export { type WebServerPorts, webServer } from "./server.ts";
