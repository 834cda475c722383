import type { BenchComparison, BenchDocument, BenchRefusal, BenchVerdict } from "@halfscope/core";
import { expect, it, test } from "vitest";
import { benchExitCode, servedPoints } from "./bench-outcome.js";

const refusal = (kind: BenchRefusal["kind"]): { refusal: BenchRefusal } => ({ refusal: { kind, code: "", reason: "" } });
const at = (batch: number, o: Partial<BenchComparison> = {}): BenchComparison => ({ shape: "s", batch, ...o });
const verdict = (outcome: BenchVerdict["outcome"]): BenchVerdict => ({ outcome, tolerance: 1, error: 0, mixes: false });
const of = (outcome: BenchVerdict["outcome"], comparisons: BenchComparison[], points: BenchDocument["points"] = []) =>
  benchExitCode({ comparisons, points, verdict: verdict(outcome) });

test.each([
  ["all served and within", of("within", [at(1), at(2)]), 0],
  ["beyond the tolerance", of("not-within", [at(1)]), 1],
  ["not finite", of("not-finite", [at(1)]), 1],
  ["a batch that no profile serves, beside one that is", of("within", [at(1), at(2, refusal("refused"))]), 0],
  ["nothing served at all", of("not-judged", [at(1, refusal("refused")), at(2, refusal("refused"))]), 4],
  ["a batch that failed", of("within", [at(1), at(2, refusal("failed"))]), 4],
  ["a reference that failed", of("not-judged", [at(1, { referenceRefusal: refusal("failed").refusal })]), 4],
  [
    "a point that failed when it was timed",
    of("within", [at(1)], [{ role: "candidate", ...at(1), contexts: 2, rounds: [], ...refusal("failed") }]),
    4,
  ],
  ["a failure beside a missed tolerance", of("not-within", [at(1), at(2, refusal("failed"))]), 4],
])("%s", (_, code, expected) => {
  expect(code).toBe(expected);
});

it("counts a point once, by the worst that became of it", () => {
  const comparisons = [at(1), at(2, refusal("failed")), at(4, refusal("refused")), at(8)];
  const points: BenchDocument["points"] = [1, 2].map((contexts) => ({
    role: "candidate",
    ...at(8),
    contexts,
    rounds: [],
    ...refusal("stopped"),
  }));
  expect(servedPoints({ comparisons, points })).toEqual({ asked: 4, failed: 1, notServed: 1, stopped: 1 });
});
