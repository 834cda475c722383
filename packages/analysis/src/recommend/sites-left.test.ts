import type { Site, SiteSensitivity } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { seeded } from "../../../../test/support/model-file.js";
import { siteOf } from "../../../../test/support/stats.js";
import { packProjection, predictError } from "../sweep/projection.js";
import { SitesLeft } from "./sites-left.js";

const measured = (site: Site, ...perOutput: number[]): SiteSensitivity => ({
  site: site.id,
  sites: [site.id],
  kind: site.kind,
  layer: site.layer,
  outputError: Math.max(...perOutput),
  perOutput,
  outputMaxAbs: 0,
  nonFinite: perOutput.includes(Number.POSITIVE_INFINITY),
});

describe("the sites that pins leave", () => {
  it("add up as the sums over all that some FP16 layer touches, whatever came and went before", () => {
    const random = seeded(12);
    const layers = Array.from({ length: 10 }, (_, i) => `l${i}`);
    const sites = Array.from({ length: 30 }, (_, i) =>
      siteOf(`t${i}`, [...new Set([0, 1].map(() => layers[Math.floor(10 * random())] ?? ""))]),
    );
    const errors = sites.map((s) => measured(s, random() ** 6, random() ** 6));
    const left = new SitesLeft(sites, errors, layers);
    const pinned = new Set<string>();
    for (let round = 0; round < 400; round++) {
      const layer = layers[Math.floor(10 * random())] ?? "";
      if (pinned.has(layer)) {
        pinned.delete(layer);
        left.unpin(layer);
      } else {
        pinned.add(layer);
        left.pin(layer);
      }
      const stay = errors.filter((_, i) => sites[i]?.touching.some((l) => !pinned.has(l)));
      const sums = [0, 1].map((o) => stay.reduce((n, e) => n + (e.perOutput[o] ?? 0) ** 2, 0));
      expect(left.square).toBeCloseTo(Math.max(...sums), 10);
      expect(left.predicted()).toBeCloseTo(Math.sqrt(Math.max(...sums)), 10);
    }
  });

  it("gain exactly what pinning takes away, and asking changes nothing", () => {
    const [a, b, c] = [siteOf("a", ["x"]), siteOf("b", ["x", "y"]), siteOf("c", ["y"])];
    const left = new SitesLeft([a, b, c], [measured(a, 3), measured(b, 4), measured(c, 5)]);
    expect([left.gain(["x"], 0), left.gain(["y"], 0), left.gain(["x", "y"], 0)]).toEqual([9, 25, 50]);
    left.pin("x");
    expect([left.gain(["x"], 0), left.gain(["y"], 0)]).toEqual([0, 41]);
    expect(left.square).toBe(41);
  });

  it("keep small errors apart beside infinite ones", () => {
    const [bad, small] = [siteOf("bad", ["bad"]), siteOf("small", ["small"])];
    const left = new SitesLeft([bad, small], [measured(bad, Number.POSITIVE_INFINITY), measured(small, 1e-8)]);
    expect(left.predicted()).toBe(Number.POSITIVE_INFINITY);
    left.pin("bad");
    expect(left.square).toBe(1e-8 ** 2);
    left.unpin("bad");
    left.pin("bad");
    expect(left.square).toBe(1e-8 ** 2);
  });

  it("predict what predictError says of them: weights with their signs, by sample and output, the rest in squares", () => {
    const random = seeded(31);
    const layers = Array.from({ length: 8 }, (_, i) => `l${i}`);
    const sites = Array.from({ length: 24 }, (_, i) =>
      siteOf(`t${i}`, [...new Set([0, 1].map(() => layers[Math.floor(8 * random())] ?? ""))], i % 2 ? "weight" : "activation"),
    );
    const errors = sites.map((s): SiteSensitivity => {
      const perSample = [0, 1].map(() => [random() ** 3, random() ** 3]);
      const perOutput = [0, 1].map((o) => Math.sqrt(perSample.reduce((n, e) => n + (e[o] ?? 0) ** 2, 0) / 2));
      const signed = perSample.map(() => [0, 1].map(() => packProjection(Float64Array.from({ length: 20 }, () => random() - 0.3))));
      return { ...measured(s, ...perOutput), perSample, signed };
    });
    const left = new SitesLeft(sites, errors, layers);
    for (let round = 0; round < 40; round++) {
      const pins = layers.filter(() => random() < 0.4);
      const stay = (set: readonly string[]) => predictError(errors.filter((_, i) => sites[i]?.touching.some((l) => !set.includes(l))));
      expect(left.predictedFor(pins)).toBeCloseTo(Math.max(0, ...stay(pins)), 5);
      const more = layers.filter((l) => !pins.includes(l)).slice(0, 2);
      for (const o of [0, 1]) {
        const gone = (stay(pins)[o] ?? 0) ** 2 - (stay([...pins, ...more])[o] ?? 0) ** 2;
        expect(left.gain(more, o)).toBeCloseTo(gone, 5);
      }
    }
  });
});
