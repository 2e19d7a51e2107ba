export { argon2id, type PasswordHasher } from "./passwords.ts";
export { type AccountRow, type Added, type ChannelRow, type DeviceSecretRow, openStore, type Store } from "./store.ts";
