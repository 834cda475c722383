import { describe, expect, it } from "vitest";
import { face, hazardsOf, told } from "../../../../test/support/hazards-of.js";
import { floats, type ModelParts, node, temporaryFolder } from "../../../../test/support/model-file.js";

const folder = temporaryFolder();
const ids = { name: "ids", elementType: 7, dims: [2, 4] };
const int64 = { dtype: "int64" } as const;

/** sin and cos of positions times inverse frequencies. */
const rotary: ModelParts = {
  nodes: [
    node("Cast", ["ids"], ["t"], { to: 1 }),
    node("Mul", ["t", "frequencies"], ["half"]),
    node("Concat", ["half", "half"], ["angles"], { axis: -1 }),
    node("Sin", ["angles"], ["s"]),
    node("Cos", ["angles"], ["c"]),
    node("Add", ["s", "c"], ["y"]),
  ],
  inputs: [ids],
  outputs: [face("y")],
  initializers: [floats("frequencies", [4], [1, 0.1, 0.01, 0.001])],
  opset: 13,
};

describe("angles of a rotary embedding", () => {
  it("are known before a run, once for sine and cosine", async () => {
    expect(await hazardsOf(folder, rotary)).toMatchObject([
      { code: "inexact-positions", severity: "info", tensor: "half", evidence: expect.stringMatching(/Sin.*Cos/) },
    ]);
  });
  it.each([
    [127, "info"],
    [128, "warning"],
    [2048, "warning"],
    [2049, "error"],
  ])("up to %d are %s, and the positions are not told again", async (max, severity) => {
    const range = { t: { min: 0, max }, half: { min: 0, max }, angles: { min: 0, max } };
    const found = await hazardsOf(folder, rotary, { range });
    expect(told(found)).toEqual([`${severity} inexact-positions`]);
    expect(found[0]?.values).toMatchObject({ maxAngle: max });
  });
  it("that no position makes are told only where they are coarse", async () => {
    const wave: ModelParts = { nodes: [node("Sin", ["x"], ["y"])], inputs: [face("x")], outputs: [face("y")], opset: 13 };
    expect(await hazardsOf(folder, wave)).toEqual([]);
    expect(await hazardsOf(folder, wave, { range: { x: { min: -127, max: 127 } } })).toEqual([]);
    expect(told(await hazardsOf(folder, wave, { range: { x: { min: -128, max: 5 } } }))).toEqual(["warning inexact-positions"]);
  });
});

describe("integers that become floats", () => {
  const cast: ModelParts = {
    nodes: [node("Cast", ["ids"], ["t"], { to: 1 }), node("Mul", ["t", "x"], ["y"])],
    inputs: [ids, face("x")],
    outputs: [face("y")],
    opset: 13,
  };
  it("are told only when they are measured beyond 2048", async () => {
    expect(await hazardsOf(folder, cast)).toEqual([]);
    expect(await hazardsOf(folder, cast, { range: { t: { min: 0, max: 2048 } } })).toEqual([]);
    expect(await hazardsOf(folder, cast, { range: { t: { min: 0, max: 2049 } } })).toMatchObject([
      { code: "inexact-positions", severity: "warning", tensor: "t", values: { maxAbs: 2049 } },
    ]);
  });
});

describe("indices that are computed as floats", () => {
  const index: ModelParts = {
    nodes: [
      node("Cast", ["ids"], ["t"], { to: 1 }),
      node("Mul", ["t", "scale"], ["scaled"]),
      node("Floor", ["scaled"], ["whole"]),
      node("Cast", ["whole"], ["back"], { to: 7 }),
      node("Gather", ["table", "back"], ["y"]),
    ],
    inputs: [ids],
    outputs: [face("y")],
    initializers: [floats("scale", [], [0.5]), floats("table", [8, 4], Array(32).fill(1))],
    opset: 13,
  };
  const types = { back: int64 };
  it("are known before a run", async () => {
    expect(told(await hazardsOf(folder, index, { types }))).toEqual(["info inexact-positions"]);
  });
  it.each([
    [2048, "info"],
    [2560, "warning"],
    [2561, "error"],
  ])("up to %d are %s: what FP16 does not hold is another index", async (max, severity) => {
    const range = { t: { min: 0, max }, scaled: { min: 0, max: max / 2 }, whole: { min: 0, max: Math.floor(max / 2) } };
    expect(told(await hazardsOf(folder, index, { types, range }))).toEqual([`${severity} inexact-positions`]);
  });
  it("are none where integers stay integers", async () => {
    const plain: ModelParts = { ...index, nodes: [node("Gather", ["table", "ids"], ["y"])] };
    expect(await hazardsOf(folder, plain)).toEqual([]);
  });
});
