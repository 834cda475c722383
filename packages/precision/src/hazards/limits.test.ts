import { describe, expect, it } from "vitest";
import { face, hazardsOf, told } from "../../../../test/support/hazards-of.js";
import { floats, type ModelParts, node, temporaryFolder } from "../../../../test/support/model-file.js";

const folder = temporaryFolder();

it("operators that stay in FP32 are listed by type and reason, however many they are", async () => {
  const count = 20;
  const model: ModelParts = {
    nodes: [
      ...Array.from({ length: count }, (_, i) => node("RandomNormalLike", [i === 0 ? "x" : `r${i - 1}`], [`r${i}`])),
      node("Whatever", [`r${count - 1}`], ["y"], {}, "custom"),
    ],
    inputs: [face("x")],
    outputs: [face("y")],
    domains: { custom: 1 },
    opset: 13,
  };
  const found = await hazardsOf(folder, model);
  expect(told(found)).toEqual(["info no-half-form", "info no-half-form"]);
  expect(found[0]).toMatchObject({
    values: { nodes: count },
    evidence: expect.stringMatching(/20 nodes of type RandomNormalLike stay in FP32/),
  });
  expect(found[1]).toMatchObject({
    values: { nodes: 1 },
    evidence: expect.stringMatching(/1 node of type Whatever stays .* custom domain/),
  });
});

it("the state of a recurrent operator is told once for each type", async () => {
  const lstm = (i: number) => node("LSTM", ["x", "w", "r"], [`y${i}`], { hidden_size: 1 });
  const model: ModelParts = {
    nodes: [lstm(0), lstm(1)],
    inputs: [{ name: "x", dims: [3, 1, 1] }],
    outputs: [face("y0"), face("y1")],
    initializers: [floats("w", [1, 4, 1], [1, 1, 1, 1]), floats("r", [1, 4, 1], [1, 1, 1, 1])],
    opset: 14,
  };
  expect(await hazardsOf(folder, model)).toMatchObject([
    { code: "inner-state", severity: "info", values: { nodes: 2 }, evidence: expect.stringContaining("LSTM") },
  ]);
});

describe("sizes and coordinates", () => {
  const resize = (nodes: ModelParts["nodes"], initializers: ModelParts["initializers"] = []): ModelParts => ({
    nodes: [...nodes, node("Resize", ["x", "", "scales"], ["y"], { mode: { text: "linear" } })],
    inputs: [
      { name: "x", dims: [1, 1, 8, 8] },
      { name: "factor", dims: [4] },
    ],
    outputs: [face("y")],
    initializers,
    opset: 13,
  });
  it("that a Resize is given by computed scales are rounded on their way", async () => {
    const computed = resize([node("Mul", ["factor", "factor"], ["scales"])]);
    expect(await hazardsOf(folder, computed)).toMatchObject([{ code: "inexact-coordinates", severity: "warning", tensor: "scales" }]);
    const exact = await hazardsOf(folder, computed, { range: { scales: { min: 1, max: 2 } } });
    expect(told(exact)).toEqual(["info inexact-coordinates"]);
    const third = await hazardsOf(folder, computed, { range: { scales: { min: 1 / 3, max: 1 } } });
    expect(told(third)).toEqual(["warning inexact-coordinates"]);
  });
  it("that a Resize has stored stay in FP32", async () => {
    expect(await hazardsOf(folder, resize([], [floats("scales", [4], [1, 1, 1 / 3, 1 / 3])]))).toEqual([]);
  });

  const sample = (width: number): ModelParts => ({
    nodes: [node("GridSample", ["x", "grid"], ["y"])],
    inputs: [
      { name: "x", dims: [1, 1, 8, width] },
      { name: "grid", dims: [1, 8, 8, 2] },
    ],
    outputs: [face("y")],
    opset: 16,
  });
  it.each([
    [511, []],
    [512, ["info inexact-coordinates"]],
    [2048, ["warning inexact-coordinates"]],
  ])("of a grid over %d pixels are judged %j", async (width, expected) => {
    expect(told(await hazardsOf(folder, sample(width)))).toEqual(expected);
  });

  it.each([
    [127, []],
    [128, ["info inexact-coordinates"]],
    [512, ["warning inexact-coordinates"]],
  ])("of boxes up to %d pixels are judged %j", async (max, expected) => {
    const model: ModelParts = {
      nodes: [node("RoiAlign", ["x", "boxes", "batch"], ["y"])],
      inputs: [
        { name: "x", dims: [1, 1, 8, 8] },
        { name: "boxes", dims: [2, 4] },
        { name: "batch", elementType: 7, dims: [2] },
      ],
      outputs: [face("y")],
      opset: 16,
    };
    expect(await hazardsOf(folder, model)).toEqual([]);
    expect(told(await hazardsOf(folder, model, { range: { boxes: { min: 0, max } } }))).toEqual(expected);
  });
});
