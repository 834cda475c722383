import type { FeedInput } from "@halfscope/engine";
import { tensorOf } from "@halfscope/engine";
import { describe, expect, it } from "vitest";
import { findBatch } from "./batch-axes.js";
import { shapeName, shapeVariants } from "./shape-variants.js";

const input = (name: string, dims: readonly (number | string | undefined)[]): FeedInput => ({
  name,
  dtype: "float32",
  dims: dims.map((d) => ({ size: typeof d === "number" ? d : undefined, symbol: typeof d === "string" ? d : undefined })),
});
const texts = [input("ids", ["batch", "seq"]), input("mask", ["batch", "seq"])];
const images = [input("images", [undefined, 3, undefined, undefined])];
const variants = (signature: readonly FeedInput[], dims: Record<string, number[]> = {}, shapes: Record<string, number[][]> = {}) =>
  shapeVariants({ dims, shapes }, findBatch(signature), signature);

describe("shapes to measure", () => {
  it("are one where nothing is asked for, with a batch of one", () => {
    expect(variants(texts)).toEqual([{ dims: { batch: 1 }, shapes: {} }]);
    expect(variants(images)).toEqual([{ dims: { "images:0": 1 }, shapes: {} }]);
  });
  it("are every combination of sizes", () => {
    expect(variants([input("x", ["batch", "h", "w"])], { h: [1, 2], w: [3, 4] }).map((v) => [v.dims.h, v.dims.w])).toEqual([
      [1, 3],
      [1, 4],
      [2, 3],
      [2, 4],
    ]);
  });
  it("are whole shapes in turn, of all inputs together, whatever batch they name", () => {
    const found = variants(
      texts,
      {},
      {
        ids: [
          [1, 8],
          [4, 16],
        ],
        mask: [
          [1, 8],
          [1, 16],
        ],
      },
    );
    expect(found.map((v) => v.shapes)).toEqual([
      { ids: [1, 8], mask: [1, 8] },
      { ids: [1, 16], mask: [1, 16] },
    ]);
  });
  it("are refused where they cannot be meant", () => {
    expect(() => variants(texts, { batch: [4] })).toThrow(/sets the batch/);
    expect(() => variants(images, { "images:0": [4] })).toThrow(/sets the batch/);
    expect(() =>
      variants(
        texts,
        {},
        {
          ids: [
            [1, 8],
            [1, 16],
            [1, 4],
          ],
          mask: [
            [1, 8],
            [1, 16],
          ],
        },
      ),
    ).toThrow(/the same number/);
    expect(() => variants(texts, { seq: Array.from({ length: 65 }, (_, i) => i + 1) })).toThrow(/at most 64/);
  });
});

describe("a shape's name", () => {
  const zeros = (dims: readonly number[]) => tensorOf("float32", dims, []);
  it("tells the open sizes but the batch, each once", () => {
    const request = new Map([
      ["ids", zeros([1, 128])],
      ["mask", zeros([1, 128])],
    ]);
    expect(shapeName(request, texts, findBatch(texts))).toBe("seq=128");
  });
  it("tells nameless sizes by their place, and a symbol of two sizes by both", () => {
    expect(shapeName(new Map([["images", zeros([1, 3, 8, 6])]]), images, findBatch(images))).toBe("images:2=8, images:3=6");
    const request = new Map([
      ["ids", zeros([1, 128])],
      ["mask", zeros([1, 64])],
    ]);
    expect(shapeName(request, texts, findBatch(texts))).toBe("seq=128, mask:1=64");
  });
  it("tells sizes by their first place where their names are an exporter's", () => {
    const open = (name: string, symbol: string): FeedInput => ({
      name,
      dtype: "float32",
      dims: [
        { size: undefined, symbol: "batch" },
        { size: undefined, symbol },
      ],
    });
    for (const symbol of ["p2o.DynamicDimension.2", "unk__17", "s77", "images_dynamic_axes_1"]) {
      const inputs = [open("x", symbol), open("mask", symbol)];
      const request = (second: number) =>
        new Map([
          ["x", zeros([1, 64])],
          ["mask", zeros([1, second])],
        ]);
      expect(shapeName(request(64), inputs, findBatch(inputs))).toBe("x:1=64");
      expect(shapeName(request(32), inputs, findBatch(inputs))).toBe("x:1=64, mask:1=32");
    }
    const named = [open("x", "steps1")];
    expect(shapeName(new Map([["x", zeros([1, 64])]]), named, findBatch(named))).toBe("steps1=64");
  });
  it("is no name where nothing is open", () => {
    const fixed = [input("x", [1, 4])];
    expect(shapeName(new Map([["x", zeros([1, 4])]]), fixed, findBatch(fixed))).toBe("as declared");
  });
});
