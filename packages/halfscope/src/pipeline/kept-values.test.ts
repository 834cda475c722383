import { readdirSync } from "node:fs";
import type { TensorValue } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../../../test/support/model-file.js";
import { KeptValues } from "./kept-values.js";
import { cutCount } from "./segments.js";

const folder = temporaryFolder();
const value = (seed: number, length: number): TensorValue => ({
  dtype: "uint8",
  dims: [length],
  data: Uint8Array.from({ length }, (_, i) => seed * 31 + i),
});

describe("kept values", () => {
  it("are in memory up to the limit and in a file beyond it, and come back as they were", () => {
    using kept = new KeptValues(250, folder);
    for (let i = 0; i < 8; i++) kept.add(`t${i}`, value(i, 100));
    expect([kept.bytesInMemory, kept.bytesInFile]).toEqual([200, 600]);
    for (let i = 7; i >= 0; i--) expect(kept.get(`t${i}`)).toEqual(value(i, 100));
    expect(kept.get("t8")).toBeUndefined();
  });

  it("leave no file behind", () => {
    const before = readdirSync(folder);
    {
      using kept = new KeptValues(0, folder);
      kept.add("a", value(1, 10));
      expect(kept.get("a")).toEqual(value(1, 10));
    }
    expect(readdirSync(folder)).toEqual(before);
  });

  it("say so when they cannot be written", () => {
    using kept = new KeptValues(0, `${folder}/nowhere`);
    expect(() => kept.add("a", value(1, 10))).toThrow(expect.objectContaining({ code: "ERR_ENGINE_RUN" }));
  });
});

describe("the number of cuts", () => {
  it("grows with the candidates, falls with the price of a session, and stays in bounds", () => {
    expect(cutCount(400, 1, 1)).toBe(20);
    expect(cutCount(400, 4, 1)).toBe(40);
    expect(cutCount(400, 1, 4)).toBe(10);
    expect(cutCount(1, 1, 100)).toBe(2);
    expect(cutCount(1e6, 1, 0)).toBe(64);
  });
});
