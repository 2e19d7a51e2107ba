import assert from "node:assert/strict";
import { testHost } from "#host/conformance.ts";
import { simNetwork } from "./index.ts";

testHost("simulated host", async (body) => {
  const net = simNetwork(1);
  await body({
    host: net.host("a", "127.0.1.1"),
    address: "127.0.1.1",
    until: async (condition) => {
      for (let ms = 0; !condition(); ms++) {
        assert.ok(ms < 5_000, "it never happened");
        net.run(1);
      }
    },
    quiet: async () => net.run(100),
  });
});
