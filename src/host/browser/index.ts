export { browserHost } from "./browser-host.ts";
