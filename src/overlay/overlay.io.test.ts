import { test } from "node:test";
import { nodeHost } from "#host/node/index.ts";
import { testCarrier } from "./carriers/conformance.ts";
import { InProcessCarrier } from "./index.ts";

test("in one process", { concurrency: true }, (t) => testCarrier(t, nodeHost(), (body) => body([new InProcessCarrier()])));
