import type { Measurement, Origin } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { allNan, layerOf, measurementsOf, off, overflown } from "../../../test/support/stats.js";
import { rankLayers } from "./rank.js";

const tensor = (name: string, stats: Measurement["stats"], layer = name): Measurement => ({ tensor: name, node: 0, layer, stats });
const of = (tensors: readonly Measurement[]) => measurementsOf(tensors, {});

describe("ranking", () => {
  const layers = ["small", "nan", "large", "inf", "none"].map((id) => layerOf(id));
  const isolated = of([tensor("small", off(1e-4)), tensor("nan", allNan()), tensor("large", off(0.1)), tensor("inf", overflown(1, 1e5))]);

  it.each(["relative", "max", "mean"] as const)(
    "by %s error puts what is not finite before every number, and ties in graph order",
    (by) => {
      const { layers: ranked } = rankLayers(layers, { isolated }, [], by);
      expect(ranked.map((r) => r.layer)).toEqual(["nan", "inf", "large", "small"]);
    },
  );

  it("takes the accumulated error where there is no isolated one, and shows both", () => {
    const accumulated = of([tensor("small", off(0.5)), tensor("none", off(0.3))]);
    const { layers: ranked } = rankLayers(layers, { isolated: of([tensor("small", off(1e-4))]), accumulated }, []);
    expect(ranked.map((r) => [r.layer, r.isolated?.relativeL2, r.accumulated?.relativeL2?.toFixed(3)])).toEqual([
      ["none", undefined, "0.300"],
      ["small", expect.closeTo(1e-4), "0.500"],
    ]);
  });

  it("of a layer by its worst output; what lies inside counts only when it is not finite and harms what comes out", () => {
    const [layer] = [layerOf("l", { outputs: ["a", "b"] })];
    const summary = (...tensors: Measurement[]) => rankLayers([layer!], { isolated: of(tensors) }, []).layers[0]?.isolated?.tensor;
    const all = [tensor("a", off(0.1), "l"), tensor("b", off(0.2), "l"), tensor("inside", off(0.9), "l")] as const;
    expect(summary(...all)).toBe("b");
    expect(summary(...all, tensor("deep", overflown(1, 1e5), "l"))).toBe("deep");
    expect(summary(tensor("deep", overflown(1, 1e5), "l"), ...all)).toBe("deep");
    // A mask that overflows in front of a Softmax.
    expect(summary(tensor("a", off(1e-3), "l"), tensor("deep", overflown(1, 1e5), "l"))).toBe("a");
  });

  it("gives kinds and blocks that hold NaN an infinite error, not none", () => {
    const inBlock = (id: string, block: string) => layerOf(id, { kind: "softmax", blockPath: block });
    const two = [inBlock("x", "encoder/layer.0/attention"), inBlock("y", "encoder/layer.1")];
    const measured = of([tensor("x", off(0.01)), tensor("y", allNan())]);
    const { byKind, byBlock } = rankLayers(two, { isolated: measured, accumulated: measured }, []);
    expect(byKind).toEqual([{ kind: "softmax", layers: 2, meanIsolated: Number.POSITIVE_INFINITY, maxIsolated: Number.POSITIVE_INFINITY }]);
    expect(byBlock.map((b) => [b.block, b.accumulated])).toEqual([
      ["encoder/layer.0", expect.closeTo(0.01)],
      ["encoder/layer.1", Number.POSITIVE_INFINITY],
    ]);
  });

  it("puts origins that do harm before harmless ones, in graph order otherwise", () => {
    const origin = (kind: Origin["kind"], name: string): Origin => ({
      kind,
      tensor: name,
      layer: "l",
      elements: 1,
      count: 1,
      maxReference: 1,
      evidence: "",
    });
    const { origins } = rankLayers([], {}, [origin("harmless-overflow", "a"), origin("silent-overflow", "b"), origin("overflow", "c")]);
    expect(origins.map((o) => o.tensor)).toEqual(["b", "c", "a"]);
  });
});
