export { registrationPorts, serveRegistration } from "./driver.ts";
export { Placement, type PlacementRule } from "./engine/placement.ts";
export { Registration, type RegistrationPorts, type SampleAccount } from "./engine/registration.ts";
export { quickPasswords } from "./quick-passwords.ts";
export * from "./types.ts";
