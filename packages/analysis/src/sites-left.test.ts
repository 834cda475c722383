import type { Site, SiteSensitivity } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { seeded } from "../../../test/support/model-file.js";
import { siteOf } from "../../../test/support/stats.js";
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
    const left = new SitesLeft(sites, errors, undefined, layers);
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

  it("are told to a better prediction where there is one", () => {
    const [a, b] = [siteOf("a", ["x"]), siteOf("b", ["y"])];
    // Errors of one sign: they add, not their squares.
    const left = new SitesLeft([a, b], [measured(a, 3), measured(b, 4)], (sites) => [sites.reduce((n, s) => n + s.outputError, 0)]);
    expect(left.predicted()).toBe(7);
    expect(left.predictedFor(["x"])).toBe(4);
    expect(left.predictedFor(["x", "y"])).toBe(0);
  });
});
