import type { DType } from "@halfscope/core";
import type { FeedInput } from "@halfscope/engine";
import { describe, expect, it, test } from "vitest";
import { findBatch } from "./batch-axes.js";
import { batchAxes } from "./requests.js";

const input = (name: string, dims: readonly (number | string | undefined)[] | undefined, dtype: DType = "float32"): FeedInput => ({
  name,
  dtype,
  dims: dims?.map((d) => ({ size: typeof d === "number" ? d : undefined, symbol: typeof d === "string" ? d : undefined })),
});
const axesOf = (inputs: readonly FeedInput[], given?: readonly string[]) => Object.fromEntries(batchAxes(findBatch(inputs, given)));

describe("the batch is recognised", () => {
  test.each<[string, FeedInput[], Record<string, number>]>([
    ["by the open first size that inputs share", [input("ids", ["batch", "seq"]), input("mask", ["batch", "seq"])], { ids: 0, mask: 0 }],
    ["without a name", [input("x", [undefined, 3, 224, 224])], { x: 0 }],
    ["at another place of other inputs", [input("x", ["N", 512]), input("state", [2, "N", 128])], { x: 0, state: 1 }],
    [
      "in recurrent states, which hold it behind their layers",
      [input("x", [undefined, undefined]), input("state", [2, undefined, 128])],
      { x: 0, state: 1 },
    ],
    ["but not in what only looks like one", [input("x", ["b", 4]), input("table", [2, undefined, 128])], { x: 0 }],
    ["by its name where two sizes are shared", [input("boxes", ["boxes", 4]), input("a", ["boxes"]), input("x", ["batch", 3])], { x: 0 }],
    ["beside inputs that all requests share", [input("x", ["b", 8]), input("scale", []), input("table", [10, 4])], { x: 0 }],
  ])("%s", (_, inputs, axes) => {
    expect(findBatch(inputs).kind).toBe("dynamic");
    expect(axesOf(inputs)).toEqual(axes);
  });

  it("or named, by symbol and by place", () => {
    const inputs = [input("x", ["seq", "people", 8]), input("y", ["people"])];
    expect(axesOf(inputs, ["people"])).toEqual({ x: 1, y: 0 });
    expect(axesOf(inputs, ["x:0"])).toEqual({ x: 0 });
    expect(() => findBatch(inputs, ["nobody"])).toThrow(/no axis of the model's inputs/);
    expect(() => findBatch(inputs, ["x:3"])).toThrow(/no axis/);
  });
});

describe("there is none", () => {
  it("where all sizes are fixed, and it says what to do", () => {
    const batching = findBatch([input("x", [1, 3, 224, 224])]);
    expect(batching).toMatchObject({
      kind: "static",
      how: expect.stringContaining('"x" is [1, 3, 224, 224]'),
      advice: expect.stringContaining("dynamic_axes"),
    });
    expect(findBatch([input("x", ["batch", 3]), input("y", [1, 4])], ["y:0"]).kind).toBe("static");
  });
  it("where the first open size means something else", () => {
    expect(findBatch([input("x", ["sequence", 80])])).toMatchObject({ kind: "none", advice: expect.stringContaining("--batch-axis") });
  });
  it("where texts would have to be stacked", () => {
    expect(findBatch([input("text", ["batch"], "string")]).kind).toBe("none");
  });
});

it("says which inputs all requests share", () => {
  expect(findBatch([input("x", ["b", 8]), input("scale", [])]).how).toMatch(/share "scale"/);
});
