export { readAddress } from "#host/addresses.ts";
