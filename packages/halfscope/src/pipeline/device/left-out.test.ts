import { describe, expect, it } from "vitest";
import { LeftOut } from "./left-out.js";

const coverageOf = (samples: number, reasons: readonly (readonly [sample: number, reason: string])[]) => {
  const left = new LeftOut(samples);
  for (const [sample, reason] of reasons) left.add("t", sample, reason);
  return left.coverage().get("t");
};

describe("what was left out of a comparison", () => {
  it("is the bare reason where no sample was compared, for one reason", () => {
    const reason = "it is no tensor";
    expect(coverageOf(1, [[0, reason]])).toEqual({ compared: 0, of: 1, reason });
    expect(
      coverageOf(
        2,
        [0, 1].map((i) => [i, reason] as const),
      ),
    ).toEqual({ compared: 0, of: 2, reason });
  });

  it("says in which samples, counted from 1", () => {
    expect(coverageOf(3, [[1, "sizes"]])).toEqual({ compared: 2, of: 3, reason: "sizes (in sample 2 of 3)" });
    const several = [0, 1, 3].map((i) => [i, i === 1 ? "no floats." : "sizes"] as const);
    expect(coverageOf(4, several)?.reason).toBe("sizes (in samples 1 and 4 of 4); no floats (in sample 2 of 4)");
  });

  it("counts a sample once, for the first reason of it", () => {
    expect(
      coverageOf(2, [
        [0, "first"],
        [0, "second"],
      ]),
    ).toMatchObject({ compared: 1, reason: "first (in sample 1 of 2)" });
  });

  it("stays short where every sample has a reason of its own, and counts the rest", () => {
    const { compared, reason = "" } =
      coverageOf(
        100,
        Array.from({ length: 64 }, (_, i) => [i, `size ${i}`] as const),
      ) ?? {};
    expect(compared).toBe(36);
    expect(reason).toMatch(/^size 0 \(in sample 1 of 100\); size 1 .*; size 2 .*; other reasons in 61 more$/);
    expect(
      coverageOf(
        100,
        Array.from({ length: 64 }, (_, i) => [i, "sizes"] as const),
      )?.reason,
    ).toBe("sizes (in samples 1, 2, 3, 4, 5 and 59 more of 100)");
  });

  it("knows nothing of what was compared everywhere", () => {
    expect(coverageOf(2, [])).toBeUndefined();
  });
});
