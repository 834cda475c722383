import { describe, expect, it } from "vitest";
import { floats, int64s } from "../../../../../test/support/tiny-model.js";
import { compareOutputs, mergeCompared } from "./device-values.js";

const ramp = (dims: readonly number[]) =>
  floats(
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => i),
    dims,
  );
const one = (value: ReturnType<typeof ramp>) => new Map([["y", value]]);

describe("outputs of two engines", () => {
  it("are compared where their shapes are the same, and not where only their bytes are as many", async () => {
    const same = await compareOutputs(one(ramp([2, 3])), one(ramp([2, 3])), ["y"]);
    expect([same.stats.get("y")?.count, same.notCompared.size]).toEqual([6, 0]);
    const turned = await compareOutputs(one(ramp([2, 3])), one(ramp([3, 2])), ["y"]);
    expect(turned.stats.size).toBe(0);
    expect(turned.notCompared.get("y")).toBe("the reference gives [2, 3], the candidate [3, 2]");
  });

  it("are each either compared or told why not", async () => {
    const reference = new Map([
      ["boxes", ramp([100, 4])],
      ["gone", ramp([1])],
      ["ids", int64s([1, 2])],
    ] as const);
    const candidate = new Map([
      ["boxes", ramp([97, 4])],
      ["ids", ramp([2])],
    ] as const);
    const names = ["boxes", "gone", "ids", "nowhere"];
    const { stats, notCompared } = await compareOutputs(reference, candidate, names, ["the CPU", "the engine"]);
    expect(stats.size).toBe(0);
    expect(Object.fromEntries(notCompared)).toEqual({
      boxes: "the CPU gives [100, 4], the engine [97, 4]",
      gone: "the CPU gives [1], the engine none",
      ids: "the CPU gives int64 [2], the engine [2]",
      nowhere: "the CPU gives none, the engine none",
    });
  });

  it("are merged over samples, with the samples that are missing", async () => {
    const samples = [
      await compareOutputs(one(ramp([4])), one(ramp([4])), ["y"]),
      await compareOutputs(one(ramp([4])), one(ramp([3])), ["y"]),
    ];
    const { stats, notCompared } = mergeCompared(samples);
    expect(stats.get("y")?.count).toBe(4);
    expect(notCompared).toEqual([
      { output: "y", compared: 1, of: 2, reason: "the reference gives [4], the candidate [3] (in sample 2 of 2)" },
    ]);
    expect(mergeCompared(samples.slice(0, 1))).not.toHaveProperty("notCompared");
  });
});
