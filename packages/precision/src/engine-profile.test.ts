import { engineNames } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { engineProfile, isPlain, nameOfProfile, rulesOf } from "./engine-profile.js";

describe("an engine's profile", () => {
  it.each(engineNames)("of %s names the evidence for every part", (name) => {
    const profile = engineProfile(name);
    expect(profile.entries.length).toBeGreaterThan(3);
    for (const entry of profile.entries) expect(entry.evidence.length, entry.part).toBeGreaterThan(20);
    expect([isPlain(profile), nameOfProfile(profile)]).toEqual([true, name]);
  });

  it("of TensorRT sums in FP16 and keeps constants finite; those of the others do neither", () => {
    expect(engineProfile("tensorrt")).toMatchObject({
      sums: { MatMul: "float16", Gemm: "float16", Conv: "float16" },
      constants: "finite",
      pieces: "auto",
    });
    for (const name of ["pytorch", "ort-cuda"] as const)
      expect(engineProfile(name)).toMatchObject({ sums: { MatMul: "float32", Gemm: "float32", Conv: "float32" }, constants: "overflow" });
  });

  it("says what it does otherwise than node by node", () => {
    expect(rulesOf(engineProfile("tensorrt"))).toEqual(["multiply-add", "masked-scores", "running-sum", "revision 2"]);
    expect(rulesOf(engineProfile("pytorch"))).toEqual([]);
  });

  it("that was changed says so in its name and in its entries, in place of the engine's own", () => {
    const changed = engineProfile("tensorrt", { accumulation: "float32", pieces: 4 });
    expect(isPlain(changed)).toBe(false);
    expect(nameOfProfile(changed)).toBe("tensorrt with sums of products: float32, long products: split over 4 accumulators");
    expect(changed.entries.filter((e) => e.part === "sums of products")).toEqual([
      { part: "sums of products", value: "float32", evidence: "set by hand" },
    ]);
    expect(changed.constants).toBe("finite");
  });

  it("refuses parts that do not exist", () => {
    expect(() => engineProfile("tensorrt", { pieces: 0 })).toThrowError(expect.objectContaining({ code: "ERR_OPTION" }));
    expect(() => engineProfile("tensorrt", { chip: "pascal" as never })).toThrowError(expect.objectContaining({ code: "ERR_OPTION" }));
  });
});
