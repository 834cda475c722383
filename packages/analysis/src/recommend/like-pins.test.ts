import type { Layer } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { layerOf } from "../../../../test/support/pin-search.js";
import { layersLike } from "./like-pins.js";

const layer = (id: string, more: Partial<Layer>): Layer => ({ ...layerOf(id), ...more });
const layers = [
  layer("norm", {
    kind: "layer-norm",
    title: "LayerNormalization (decomposed)",
    operators: ["Pow", "Sqrt"],
    blockPath: "encoder/layer.0/output",
  }),
  layer("soft", { kind: "softmax", title: "Softmax", operators: ["Softmax"], blockPath: "encoder/layer.0/attention/self" }),
  layer("dense", { kind: "linear", title: "MatMul with bias", operators: ["MatMul", "Add"], blockPath: "encoder/layer.1/dense" }),
];

describe("layers like a pattern", () => {
  it.each([
    ["LayerNormalization,Softmax", ["norm", "soft"]],
    ["layernormalization", ["norm"]],
    ["layer-norm", ["norm"]],
    ["Add", ["dense"]],
    ["encoder/layer.0", ["norm", "soft"]],
    ["encoder/*/self", ["soft"]],
    ["*layer.1*", ["dense"]],
    ["*", ["norm", "soft", "dense"]],
    [" Pow , dense ", ["norm", "dense"]],
    ["enc*layer.*out*", ["norm"]],
  ])("%s", (patterns, expected) => {
    expect(layersLike(patterns, layers)).toEqual({ layers: expected, unmatched: [] });
  });

  it.each(["Conv", "", " , ", "layer", "soft*soft", "(.*)+$", "encoder/layer"])(
    "%j matches none, and what could be asked is said",
    (patterns) => {
      expect(() => layersLike(patterns, layers)).toThrow(/matches no layer/);
    },
  );

  it("names the parts of a rule that this model has nothing of", () => {
    expect(layersLike("Conv,Softmax,encoder/layer", layers)).toEqual({ layers: ["soft"], unmatched: ["Conv", "encoder/layer"] });
  });

  it("takes no time to speak of with many stars on long names", () => {
    const long = [layer("a".repeat(50_000), {})];
    const start = performance.now();
    expect(() => layersLike(`${"*a".repeat(200)}*b`, long)).toThrow();
    expect(performance.now() - start).toBeLessThan(1000);
  });
});
