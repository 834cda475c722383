import type { ErrorStats, Measurement } from "@halfscope/core";
import { readModel, viewGraph } from "@halfscope/onnx";
import { describe, expect, it } from "vitest";
import { node, temporaryFolder, writeModel } from "../../../test/support/model-file.js";
import { allNan, measurementsOf, off, overflown, statsOf } from "../../../test/support/stats.js";
import { findOrigins } from "./origins.js";

const folder = temporaryFolder();
/** square -> mean -> divide -> out, with a mask added on the way: the shape of a decomposed LayerNormalization in front of a Softmax. */
async function graph() {
  const nodes = [
    node("Mul", ["x", "x"], ["square"]),
    node("ReduceMean", ["square"], ["mean"]),
    node("Div", ["x", "mean"], ["quotient"]),
    node("Add", ["quotient", "mask"], ["masked"]),
    node("Softmax", ["masked"], ["out"]),
  ];
  const inputs = ["x", "mask"].map((name) => ({ name, dims: [2] }));
  return viewGraph((await readModel(writeModel(folder, { nodes, inputs, outputs: [{ name: "out", dims: [2] }] }))).graph);
}
const names = ["square", "mean", "quotient", "masked", "out"] as const;
type Given = Partial<Record<(typeof names)[number], ErrorStats>>;
async function originsOf(given: Given, constants = new Set<string>(), policy: "overflow" | "finite" = "overflow") {
  const tensors = names.map(
    (tensor, i): Measurement => ({ tensor, node: i, layer: `layer of ${tensor}`, stats: given[tensor] ?? off(1e-4) }),
  );
  return findOrigins(measurementsOf(tensors, { out: given.out ?? off(1e-4) }, { constants: policy }), await graph(), constants);
}
/** Values so small that FP16 makes them 0: exponents far below -25. */
const vanished = (count: number) => {
  const exponents = new Array<number>(64).fill(0);
  exponents[5] = count;
  return off(1, { flushed: count, exponents });
};

describe("origins", () => {
  it("are none where everything is finite and nearly right, also with plain large errors", async () => {
    expect(await originsOf({})).toEqual([]);
    expect(await originsOf({ mean: off(0.5), out: off(0.9) })).toEqual([]);
  });

  it("name the first tensor that overflows and none of those behind it", async () => {
    const origins = await originsOf({
      square: overflown(3, 90_000),
      mean: allNan(),
      quotient: allNan(),
      masked: allNan(),
      out: allNan(),
    });
    expect(origins).toHaveLength(1);
    expect(origins[0]).toMatchObject({
      kind: "overflow",
      tensor: "square",
      layer: "layer of square",
      elements: 3,
      count: 100,
      maxReference: 90_000,
    });
    expect(origins[0]?.evidence).toContain("9.000e+4");
  });

  it("are silent where what follows is finite and wrong", async () => {
    const origins = await originsOf({
      square: overflown(1, 70_000),
      mean: overflown(1, 60_000),
      quotient: off(1),
      masked: off(1),
      out: off(0.8),
    });
    expect(origins).toMatchObject([{ kind: "silent-overflow", tensor: "square" }]);
    expect(origins[0]?.evidence).toContain('"quotient"');
  });

  it("are harmless where what follows is right: a mask in front of a Softmax", async () => {
    expect(await originsOf({ masked: overflown(5, 3.4e38) })).toMatchObject([{ kind: "harmless-overflow", tensor: "masked", elements: 5 }]);
  });

  it("at a final output are never harmless", async () => {
    expect(await originsOf({ out: overflown(1, 70_000) })).toMatchObject([{ kind: "overflow", tensor: "out" }]);
  });

  it("are charged to a constant that overflows, when constants overflow", async () => {
    const given = { masked: allNan(), out: allNan() };
    expect(await originsOf(given, new Set(["mask"]))).toMatchObject([
      { kind: "constant-overflow", tensor: "mask", layer: "layer of masked" },
    ]);
    expect(await originsOf(given, new Set(["mask"]), "finite")).toMatchObject([{ kind: "overflow", tensor: "masked" }]);
  });

  it("are all told where several parts overflow by themselves", async () => {
    const origins = await originsOf({ square: overflown(1, 1e5), mean: off(0.5), masked: allNan(), out: allNan() });
    expect(origins.map((o) => o.tensor)).toEqual(["square", "masked"]);
  });

  it("count NaN that only the candidate has", async () => {
    const reference = statsOf({ nanReference: 2, nanCandidate: 2, nonFiniteMismatch: 2 });
    expect(await originsOf({ quotient: reference })).toEqual([]);
    const more = statsOf({ nanReference: 2, nanCandidate: 5, nonFiniteMismatch: 5 });
    expect(await originsOf({ quotient: more, masked: allNan(), out: allNan() })).toMatchObject([{ tensor: "quotient", elements: 3 }]);
  });

  it("name values that became zero, when what reads them is wrong, and as the cause of an infinity behind", async () => {
    expect(await originsOf({ square: vanished(90), mean: off(1), quotient: off(0.9), out: off(0.9) })).toMatchObject([
      { kind: "silent-overflow", tensor: "square", elements: 90 },
    ]);
    const origins = await originsOf({ mean: off(0.01, { flushed: 4 }), quotient: overflown(4, 100), masked: allNan(), out: allNan() });
    expect(origins).toMatchObject([{ kind: "overflow", tensor: "quotient", cause: "mean" }]);
    expect(origins[0]?.evidence).toContain('"mean"');
  });

  it("do not come from zeros that cancellation made", async () => {
    const exponents = new Array<number>(64).fill(0);
    exponents[38] = 100;
    expect(await originsOf({ square: off(1, { flushed: 90, exponents }), mean: off(1), out: off(0.9) })).toEqual([]);
  });
});
