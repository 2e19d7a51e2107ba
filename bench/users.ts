/** The peer kit's generator knows these users (its own names and passwords). */
export const BENCH_DOMAIN = "127.0.0.1";
export const BENCH_USERS = 100_000;
export const benchUser = (number: number): string => `u${String(number).padStart(6, "0")}`;
export const benchSecret = (number: number): string => `pw${String(number).padStart(6, "0")}`;
/** The generator's own ends: of what it asks, and of who is called. */
export const CALLER_PORT = 27_000;
export const CALLEE_PORT = 27_001;
