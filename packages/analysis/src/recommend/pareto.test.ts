import type { Trial } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { frontOf, spacedByError } from "./pareto.js";

const trial = (pins: number, fp32Share: number, measuredError: number, nonFinite = false): Trial => ({
  pins: Array.from({ length: pins }, (_, i) => `p${i}`),
  purpose: "",
  predictedError: undefined,
  measuredError,
  nonFinite,
  fp32Share,
});

describe("the front of what was measured", () => {
  it("keeps what no other beats on error, share and pins at once, least work first", () => {
    const trials = [
      trial(0, 0, 0.9),
      trial(3, 0.1, 0.2),
      trial(2, 0.3, 0.2), // more work, fewer pins
      trial(4, 0.3, 0.3), // beaten
      trial(9, 0.2, 0.1),
      trial(1, 0.05, Number.NaN),
      trial(1, 0, 0.01, true),
      trial(3, 0.1, 0.2), // the same again
      trial(50, 1, 0),
    ];
    expect(frontOf(trials)).toEqual([0, 1, 4, 2, 8]);
    expect(frontOf([])).toEqual([]);
  });
});

describe("places of a walk to measure", () => {
  const walk = (predicted: number[]) => ({ purpose: "", sets: predicted.map(() => []), predicted });

  it("are its ends, and between them even over the logarithm of the error", () => {
    const predicted = Array.from({ length: 101 }, (_, i) => 10 ** (-i / 25));
    const places = spacedByError(walk(predicted), 10);
    expect(places.length).toBeLessThanOrEqual(10);
    expect([places[0], places.at(-1)]).toEqual([0, 100]);
    const steps = places.slice(1).map((p, i) => p - (places[i] ?? 0));
    expect(Math.max(...steps)).toBeLessThanOrEqual(16);
  });

  it("are all of them where they are few, and none where none may be measured", () => {
    expect(spacedByError(walk([3, 2, 1]), 10)).toEqual([0, 1, 2]);
    expect(spacedByError(walk([3, 2, 1]), 0)).toEqual([]);
    expect(spacedByError(walk([]), 5)).toEqual([]);
  });

  it("survive infinite and zero errors", () => {
    const predicted = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, ...Array.from({ length: 50 }, (_, i) => 1 / (i + 1)), 0, 0];
    const places = spacedByError(walk(predicted), 8);
    expect(places.length).toBeGreaterThan(4);
    expect(places.every((p) => p >= 0 && p < predicted.length)).toBe(true);
    expect(spacedByError(walk(Array(30).fill(0)), 6)).toEqual([0, 29]);
  });
});
