import { describe, expect, it } from "vitest";
import { refinedBy } from "./trials-step.js";

const price = new Map([
  ["heavy", 100],
  ["a", 1],
  ["b", 2],
  ["d", 1],
]);
const prices = { work: price, added: (layers: readonly string[]) => layers.reduce((n, l) => n + (price.get(l) ?? 0), 0) };
const search = (prefer: "pins" | "work") => ({ prices, prefer, tolerance: 0.01 });
const trial = (pins: readonly string[], error: number) => ({ pins, error, why: "" });
const missed = { pins: ["c"], outcome: "not-within" } as const;

describe("the pins that trials on an engine end with", () => {
  const trials = [trial([], 0.5), trial(["heavy"], 0.004), trial(["a", "b"], 0.006), trial(["a"], 0.02)];

  it("are the fewest that meet the tolerance, or those with the least work", () => {
    expect(refinedBy(search("pins"), trials, missed)).toEqual({ pins: ["heavy"], error: 0.004 });
    expect(refinedBy(search("work"), trials, missed)).toEqual({ pins: ["a", "b"], error: 0.006 });
  });

  it("are none where the recommended ones are as good, and where nothing meets it", () => {
    expect(refinedBy(search("pins"), trials, { pins: ["heavy"], outcome: "within" })).toBeUndefined();
    expect(refinedBy(search("work"), trials, { pins: ["b", "a"], outcome: "within" })).toBeUndefined();
    expect(refinedBy(search("work"), trials, { pins: ["heavy"], outcome: "within" })?.pins).toEqual(["a", "b"]);
    expect(refinedBy(search("pins"), [trial([], 0.5)], missed)).toBeUndefined();
    // Equal in pins and work: what was recommended stays.
    expect(refinedBy(search("pins"), [trial(["a"], 0.001), trial(["d"], 0.001)], { pins: ["a"], outcome: "within" })).toBeUndefined();
  });

  it("are none of a set of which no engine was built", () => {
    const failed = { ...trial([], Number.POSITIVE_INFINITY), failed: "could not be built: no." };
    expect(refinedBy(search("pins"), [failed, trial(["heavy"], 0.004)], missed)?.pins).toEqual(["heavy"]);
  });
});
