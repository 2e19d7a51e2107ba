export { simNetwork } from "./network.ts";
export { runTwice, simTest } from "./sim-test.ts";
export { simCertificate } from "./sim-tls.ts";
export type { Crash, Faults, SimNetwork } from "./types.ts";
