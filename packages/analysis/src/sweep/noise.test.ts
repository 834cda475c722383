import type { SiteSensitivity } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { type NoiseMeasurements, noiseFloor, quietSites, sitesToRepeat } from "./noise.js";

const site = (name: string, ...perOutput: number[]): SiteSensitivity => ({
  site: name,
  sites: [name],
  kind: "activation",
  layer: name,
  outputError: Math.max(...perOutput),
  perOutput,
  outputMaxAbs: 0,
  nonFinite: false,
});
const measured = (more: Partial<NoiseMeasurements>): NoiseMeasurements => ({
  samples: [[0.1]],
  perturbed: [],
  reference: [],
  relative: 1e-6,
  sites: new Map(),
  ...more,
});

describe("the noise floor", () => {
  it("is the root of the standard deviation of the whole candidate's squared error", () => {
    // Squares 0.01 and 0.0102: deviation 0.0002 / sqrt 2.
    const found = noiseFloor(measured({ perturbed: [[0.1], [Math.sqrt(0.0102)]] }), []);
    expect(found?.noise.spread?.[0]).toBeCloseTo(Math.sqrt(0.0002 / Math.SQRT2), 12);
    expect(found?.noise).toMatchObject({ perturbations: 1, relative: 1e-6, samples: 1, below: 0 });
    expect(found?.noise.perOutput).toEqual(found?.noise.spread);
  });

  it("is what the reference does by itself, where that is more", () => {
    const found = noiseFloor(measured({ perturbed: [[0.1], [0.1]], reference: [[3e-5], [4e-5]] }), [site("a", 1e-5), site("b", 1e-3)]);
    expect(found?.noise.perOutput[0]).toBeCloseTo(Math.sqrt(12.5e-10), 12);
    expect(found?.sites.map((s) => s.belowFloor)).toEqual([true, undefined]);
    expect(found?.noise.below).toBe(1);
  });

  it("takes samples where nothing can be perturbed, and perturbations where they can: samples differ by more than chance", () => {
    const samples = [[0.1], [0.3]];
    const tokens = noiseFloor(measured({ samples }), []);
    expect(tokens?.noise.spread?.[0]).toBeCloseTo(Math.sqrt(0.08 / Math.SQRT2), 12);
    expect(tokens?.noise.relative).toBeUndefined();
    const floats = noiseFloor(measured({ samples, perturbed: [[0.1], [0.1]] }), []);
    expect(floats?.noise.perOutput).toEqual([0]);
    expect(noiseFloor(measured({}), [])).toBeUndefined();
  });

  it("leaves a site above it that any output shows", () => {
    const found = noiseFloor(measured({ samples: [[0.1, 0.1], [0.1, 0.2]] }), [site("a", 0, 0.01), site("b", 1e-9, 0)]); // biome-ignore format: one sample, one list
    expect(found?.sites.map((s) => s.belowFloor)).toEqual([true, undefined]);
    expect(noiseFloor(measured({ samples: [[0.1, 0.1], [0.1, 0.2]] }), [site("a", 1e-9, 0.5)])?.noise.below).toBe(0); // biome-ignore format: one sample, one list
  });

  it("never hides a site that makes an output infinite, and is finite itself", () => {
    const broken = { ...site("a", Number.POSITIVE_INFINITY), nonFinite: true };
    const found = noiseFloor(measured({ samples: [[0.1], [Number.POSITIVE_INFINITY], [0.2]] }), [broken]);
    expect(Number.isFinite(found?.noise.perOutput[0])).toBe(true);
    expect(found?.sites[0]?.belowFloor).toBeUndefined();
  });

  it("says how far sites' own errors spread", () => {
    const of = { samples: [[0.1]], perturbed: [[0.1], [0.3]] };
    const found = noiseFloor(measured({ perturbed: [[1], [1]], sites: new Map([["a", of]]) }), [site("a", 0.1), site("b", 0.1)]);
    expect(found?.sites[0]?.spread).toBeCloseTo(Math.sqrt(0.02) / 0.2, 12);
    expect(found?.sites[1]?.spread).toBeUndefined();
  });
});

describe("sites to repeat", () => {
  it("are the dearest, a middling one and the cheapest, each once", () => {
    const all = [site("c", 3), site("a", 1), site("b", 2), site("zero", 0), site("broken", Number.POSITIVE_INFINITY)];
    expect(sitesToRepeat(all).map((s) => s.site)).toEqual(["c", "b", "a"]);
    expect(sitesToRepeat(all.slice(0, 1)).map((s) => s.site)).toEqual(["c"]);
    expect(sitesToRepeat([])).toEqual([]);
  });
});

describe("quiet sites", () => {
  it("are the first that no output hears, of those that do something", () => {
    const all = [site("loud", 0.1, 0), site("nothing", 0, 0), ...["a", "b", "c", "d", "e"].map((n) => site(n, 1e-3, 1e-4))];
    expect(quietSites(all, [0.1, 0.01]).map((s) => s.site)).toEqual(["a", "b", "c", "d"]);
    expect(quietSites(all, [0.1, 0.001])).toEqual([]);
    expect(quietSites([{ ...site("a", 1e-4), estimated: true }, site("b", 1e-4)], [0.1])).toEqual([]);
  });
});
