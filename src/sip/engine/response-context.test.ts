import assert from "node:assert/strict";
import { test } from "node:test";
import { request, response } from "../wire/builders.ts";
import type { SipResponse } from "../wire/message.ts";
import { sipUri } from "../wire/uri.ts";
import { ResponseContext } from "./response-context.ts";

const INVITE = request("INVITE", sipUri({ host: "b" }), [["CSeq", "1 INVITE"]]);
const answer = (status: number, challenge?: string): SipResponse => {
  const made = response(INVITE, status);
  if (challenge) made.headers.add(status === 401 ? "WWW-Authenticate" : "Proxy-Authenticate", challenge);
  return made;
};

/** A branch and what it answers, or the client's CANCEL; what comes of it: a status that goes back, or a branch to cancel. */
type Step = readonly [input: readonly [branch: number, status: number] | "cancel", ...outputs: string[]];
const FORKS: { name: string; branches: number; method?: "OPTIONS"; steps: readonly Step[] }[] = [
  {
    name: "100 stays between neighbours, 101 to 199 go back (step 5)",
    branches: 1,
    steps: [[[0, 100]], [[0, 180], "180"], [[0, 183], "183"]],
  },
  {
    name: "a 2xx goes back at once and the others are cancelled (steps 5, 10)",
    branches: 3,
    steps: [[[0, 180], "180"], [[1, 200], "200", "cancel 0 answered", "cancel 2 answered"], [[0, 487]], [[2, 487]]],
  },
  {
    name: "every 2xx to INVITE goes back, however late (step 5)",
    branches: 2,
    steps: [
      [[0, 200], "200", "cancel 1 answered"],
      [[1, 200], "200"],
      [[0, 200], "200"],
    ],
  },
  {
    name: "nothing provisional goes back after a final (step 5)",
    branches: 2,
    steps: [[[0, 200], "200", "cancel 1 answered"], [[1, 180]]],
  },
  {
    name: "of another method the first 2xx only, and nothing is cancelled",
    branches: 2,
    method: "OPTIONS",
    steps: [[[0, 200], "200"], [[1, 200]]],
  },
  { name: "other finals wait for all branches (step 6)", branches: 2, steps: [[[0, 486]], [[1, 404], "486"]] },
  {
    name: "6xx cancels the others and wins once all have answered (steps 5, 6)",
    branches: 3,
    steps: [[[0, 404]], [[1, 603], "cancel 2"], [[2, 487], "603"]],
  },
  {
    name: "a 2xx wins even after a 6xx (step 5)",
    branches: 2,
    steps: [
      [[0, 603], "cancel 1"],
      [[1, 200], "200"],
    ],
  },
  { name: "the lowest class wins (step 6)", branches: 3, steps: [[[0, 500]], [[1, 404]], [[2, 302], "302"]] },
  { name: "within 4xx what helps to ask again wins (step 6)", branches: 2, steps: [[[0, 404]], [[1, 415], "415"]] },
  { name: "our own 408 is worth least of its class", branches: 2, steps: [[[0, 408]], [[1, 486], "486"]] },
  { name: "a 503 goes back as 500 (step 6)", branches: 2, steps: [[[0, 503]], [[1, 503], "500"]] },
  {
    name: "CANCEL goes to all that have not answered (§16.10)",
    branches: 3,
    steps: [[[0, 486]], ["cancel", "cancel 1", "cancel 2"], [[1, 487]], [[2, 487], "486"]],
  },
  { name: "CANCEL of another method is none", branches: 1, method: "OPTIONS", steps: [["cancel"], [[0, 200], "200"]] },
];
for (const { name, branches, method, steps } of FORKS) {
  test(`${name} (RFC 3261 §16.7)`, () => {
    const context = new ResponseContext(method === undefined, branches);
    for (const [input, ...outputs] of steps) {
      const step =
        input === "cancel"
          ? ({ kind: "cancel" } as const)
          : ({ kind: "response", branch: input[0], response: answer(input[1]) } as const);
      const said = context
        .step(step)
        .map((output) =>
          output.kind === "forward"
            ? `${output.response.status}`
            : `cancel ${output.branch}${output.answered ? " answered" : ""}`,
        );
      assert.deepEqual(said, outputs, `at ${input}`);
    }
  });
}

test("a challenge goes back with those of all branches (RFC 3261 §16.7 step 7)", () => {
  const context = new ResponseContext(true, 3);
  const answers = [answer(407, 'Digest realm="a"'), answer(404), answer(401, 'Digest realm="b"')];
  const [last] = answers.flatMap((given, branch) => context.step({ kind: "response", branch, response: given }));
  assert.ok(last?.kind === "forward");
  const { status, headers } = last.response;
  assert.deepEqual(
    [status, headers.get("proxy-authenticate"), headers.get("www-authenticate")],
    [407, 'Digest realm="a"', 'Digest realm="b"'],
  );
});
