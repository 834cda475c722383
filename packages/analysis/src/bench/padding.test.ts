import type { DType } from "@halfscope/core";
import { type FeedInput, tensorOf } from "@halfscope/engine";
import { describe, expect, it } from "vitest";
import { cutRequest, findPadding, lengthOf, type PaddingAxes, paddedLengths, padRequest } from "./padding.js";

const input = (name: string, dims: readonly (number | string | undefined)[], dtype: DType = "int64"): FeedInput => ({
  name,
  dtype,
  dims: dims.map((d) => ({ size: typeof d === "number" ? d : undefined, symbol: typeof d === "string" ? d : undefined })),
});
const batch = new Map([
  ["input_ids", 0],
  ["attention_mask", 0],
]);
const texts = [input("input_ids", ["b", "s"]), input("attention_mask", ["b", "s"]), input("scale", [], "float32")];
const padding = findPadding(texts, batch) as PaddingAxes;
const ids = (values: readonly number[]) => tensorOf("int64", [1, values.length], values);
const request = (mask: readonly number[]) =>
  new Map([
    ["input_ids", ids(mask.map((_, i) => i + 5))],
    ["attention_mask", ids(mask)],
    ["scale", tensorOf("float32", [], [2])],
  ]);

describe("padding", () => {
  it("is possible where a mask speaks for inputs of its open length", () => {
    expect(padding.mask).toBe("attention_mask");
    expect([...padding.axes]).toEqual([
      ["input_ids", [1]],
      ["attention_mask", [1]],
    ]);
  });
  it("finds nameless lengths by their place", () => {
    const nameless = [input("input_ids", [undefined, undefined]), input("attention_mask", [undefined, undefined])];
    expect([...(findPadding(nameless, batch) as PaddingAxes).axes.keys()]).toEqual(["input_ids", "attention_mask"]);
  });
  it.each<[string, FeedInput[], RegExp]>([
    ["no mask", [input("x", ["b", 4], "float32")], /named attention_mask or input_mask/],
    ["a mask of floats", [input("attention_mask", ["b", "s"], "float32")], /named attention_mask/],
    ["a length that is fixed", [input("attention_mask", ["b", 128])], /fixed at 128/],
    ["floats as long as the sequence", [...texts, input("bias", ["b", "s"], "float32")], /"bias".*holds floats/],
    ["a mask without the batch", [input("attention_mask", ["other", "s"])], /not the batch/],
  ])("is not with %s", (title, inputs, reason) => {
    const found = findPadding(inputs, title === "a mask without the batch" ? new Map() : batch);
    expect("reason" in found && found.reason).toMatch(reason);
  });
});

describe("a request", () => {
  it("is as long as its mask says", () => {
    expect(lengthOf(request([1, 1, 1, 0]), padding)).toBe(3);
    expect(lengthOf(request([1, 0, 1, 0]), padding)).toBe(3);
    expect(lengthOf(request([1, 1]), padding)).toBe(2);
  });
  it("is cut, and padded with zeros, along its length only", () => {
    const cut = cutRequest(request([1, 1, 1, 1]), padding, 2);
    expect(cut.get("input_ids")).toEqual(ids([5, 6]));
    expect(padRequest(cut, padding, 4).get("input_ids")).toEqual(ids([5, 6, 0, 0]));
    expect(padRequest(cut, padding, 4).get("attention_mask")).toEqual(ids([1, 1, 0, 0]));
    expect(padRequest(cut, padding, 4).get("scale")).toEqual(request([1]).get("scale"));
  });
});

describe("lengths in a padded batch", () => {
  it("are the requests' own where they differ enough", () => {
    expect(paddedLengths([3, 5])).toEqual([3, 5]);
    expect(paddedLengths([9, 3, 5, 5])).toEqual([9, 3, 5, 5]);
  });
  it("are shares of the longest where they do not, and never longer than the request", () => {
    expect(paddedLengths([8, 8, 8, 8])).toEqual([8, 6, 4, 2]);
    expect(paddedLengths([8, 5, 8, 8])).toEqual([8, 5, 4, 2]);
    expect(paddedLengths([1, 1, 1])).toEqual([1, 1, 1]);
  });
});
