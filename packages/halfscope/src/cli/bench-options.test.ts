import { expect, it, test } from "vitest";
import { idleOptions, wantedCandidate, wantedSizes, wholeList } from "./bench-options.js";

it("sizes and shapes are lists, and a part with a name starts the next one", () => {
  expect(wantedSizes(["sequence=128,384", "height=8,width=6"], ["images=1x3x8x8,1x3x4x4", "a:b=2"])).toEqual({
    dims: { sequence: [128, 384], height: [8], width: [6] },
    shapes: {
      images: [
        [1, 3, 8, 8],
        [1, 3, 4, 4],
      ],
      "a:b": [[2]],
    },
  });
  expect(wantedSizes(["s=1", "s=2"]).dims).toEqual({ s: [1, 2] });
  expect(wantedSizes([], ["scalar="]).shapes).toEqual({ scalar: [[]] });
});

test.each([["128"], ["=128"], ["s="], ["s=0"], ["s=1,,2"], ["s=1.5"], ["s=-1"]])("--dim %s is refused", (text) => {
  expect(() => wantedSizes([text])).toThrow(/--dim needs/);
});
test.each([["1x2"], ["x=1xx2"], ["x=ax2"]])("--shape %s is refused", (text) => {
  expect(() => wantedSizes([], [text])).toThrow(/--shape needs/);
});

it("lists of whole numbers", () => {
  expect(wholeList("--batch", "1,2, 8")).toEqual([1, 2, 8]);
  for (const text of ["", "1,", "0", "a", "0x10", "1e3", "1.5", "99999999999999999999"])
    expect(() => wholeList("--batch", text)).toThrow(/--batch needs a whole number of at least 1/);
});
it("quote what was given in their errors", () => {
  expect(() => wholeList("--batch", "1,2x")).toThrow(/found "2x" in "1,2x"\.$/);
  expect(() => wholeList("--contexts", "many")).toThrow(/--contexts .*found "many"\.$/);
});

it("options that do nothing on an engine are told, those that work are not", () => {
  const none = { workspace: undefined, "timing-cache": undefined, "builder-level": undefined, threads: undefined };
  const given = { workspace: "4GiB", "timing-cache": "t.cache", "builder-level": 3, threads: 2 };
  expect(idleOptions({ ...none, engine: "ort-cpu" })).toEqual([]);
  expect(idleOptions({ ...given, engine: "ort-cpu" })).toEqual([
    expect.stringMatching(/^--workspace, --timing-cache, --builder-level do nothing on ort-cpu/),
  ]);
  expect(idleOptions({ ...none, engine: "ort-cuda", workspace: "1" })[0]).toMatch(/^--workspace does nothing on ort-cuda/);
  expect(idleOptions({ ...given, engine: "ort-tensorrt" })).toEqual([]);
  const pools = { "memory-pool": ["tactic-dram=2GiB"] };
  expect(idleOptions({ ...none, ...pools, engine: "ort-tensorrt" })).toEqual([
    expect.stringMatching(/^--memory-pool does nothing on ort-tensorrt/),
  ]);
  expect(idleOptions({ ...none, ...pools, engine: "tensorrt" })).toEqual([]);
  expect(idleOptions({ ...given, engine: "tensorrt" })).toEqual([expect.stringMatching(/^--threads does nothing on tensorrt/)]);
});

it("one candidate at most", () => {
  const none = { candidate: undefined, fp16: false, bf16: false, overrides: undefined };
  expect(wantedCandidate(none)).toBeUndefined();
  expect(wantedCandidate({ ...none, bf16: true })).toEqual({ kind: "half", half: "bfloat16" });
  expect(wantedCandidate({ ...none, overrides: "o.json" })).toEqual({ kind: "overrides", path: "o.json" });
  expect(() => wantedCandidate({ ...none, candidate: "m.onnx", fp16: true })).toThrow(/a candidate file and --fp16 name two/);
});
