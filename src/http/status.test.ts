import assert from "node:assert/strict";
import { test } from "node:test";
import type { StatusReport } from "./status.ts";
import { statusServer } from "./status.ts";

const CASES: { name: string; report: StatusReport; code: number; status: string }[] = [
  { name: "all roles serve", report: { notReady: [], degraded: [] }, code: 200, status: "ready" },
  {
    name: "a role does not serve",
    report: { notReady: ["ds1 waits."], degraded: ["edge1 is alone."] },
    code: 503,
    status: "not ready",
  },
  { name: "something is off", report: { notReady: [], degraded: ["edge1 is alone."] }, code: 200, status: "degraded" },
];
for (const { name, report, code, status } of CASES)
  test(`/readyz where ${name}: ${code}, "${status}", every reason`, async () => {
    const app = statusServer({ report: () => report });
    const answer = await app.inject("/readyz");
    assert.equal(answer.statusCode, code);
    assert.deepEqual(answer.json(), { status, reasons: [...report.notReady, ...report.degraded] });
    await app.close();
  });

test("/livez answers while nothing serves; /metrics is only where there are any", async () => {
  const report = () => ({ notReady: ["nothing serves"], degraded: [] });
  const without = statusServer({ report });
  assert.equal((await without.inject("/livez")).statusCode, 200);
  assert.equal((await without.inject("/metrics")).statusCode, 404);
  const withMetrics = statusServer({ report, metrics: async () => "sipcast_up 1\n" });
  const answer = await withMetrics.inject("/metrics");
  assert.deepEqual([answer.body, answer.headers["content-type"]], ["sipcast_up 1\n", "text/plain; version=0.0.4; charset=utf-8"]);
  await Promise.all([without.close(), withMetrics.close()]);
});
