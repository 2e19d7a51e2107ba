import fc from "fast-check";

/**
 * Loaded before the tests: what is drawn at random is drawn from one seed, so that a suite that passes today passes
 * tomorrow. `SIPCAST_SEED=n npm test` draws from another; fresh ones are for `npm run fuzz` and `npm run sim`.
 */
fc.configureGlobal({ seed: Number(process.env["SIPCAST_SEED"] ?? 1) });
