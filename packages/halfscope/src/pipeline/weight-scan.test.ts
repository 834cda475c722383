import { openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { roundToHalf } from "@halfscope/precision";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../../../test/support/model-file.js";
import { scanWeight } from "./weight-scan.js";

const folder = temporaryFolder();
const bytes = (values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer);

describe("what FP16 loses of a weight", () => {
  it("is nothing worth a second look where the norm is large, whatever vanishes", async () => {
    const values = Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? 1e-9 : 0.02));
    expect(await scanWeight(bytes(values))).toMatchObject({ count: 1000, flushed: 500, overflowed: 0, lostShare: 0 });
  });

  it("is the squared error of small values over the squared norm, exactly, where that matters", async () => {
    const values = Array.from({ length: 1000 }, (_, i) => (i + 1) * 3.3e-9).map(Math.fround);
    const sum = values.reduce((s, x) => s + x * x, 0);
    const lost = values.reduce((s, x) => s + (x - roundToHalf(x)) ** 2, 0);
    const { lostShare, flushed } = await scanWeight(bytes(values));
    expect(lostShare).toBeCloseTo(lost / sum, 12);
    expect(flushed).toBe(values.filter((x) => roundToHalf(x) === 0).length);
  });

  it("is the same from a file in chunks as from memory, where one chunk holds small values only", async () => {
    const chunk = 1 << 20;
    const values = Float32Array.from({ length: 2 * chunk + 3 }, (_, i) => (i < chunk ? 1e-8 : 1e-6));
    const path = join(folder, "weights.bin");
    const file = openSync(path, "w");
    writeSync(file, Buffer.from("header!"));
    writeSync(file, Buffer.from(values.buffer));
    const loss = await scanWeight({ path, offset: 7, length: values.byteLength });
    rmSync(path);
    expect(loss).toEqual(await scanWeight(new Uint8Array(values.buffer)));
    expect(loss).toMatchObject({ count: values.length, flushed: chunk });
    // The first part is 1e-4 of the squared norm and vanishes; the second loses the rounding of 1e-6.
    const rounding = (roundToHalf(Math.fround(1e-6)) - Math.fround(1e-6)) / 1e-6;
    expect(loss.lostShare).toBeCloseTo((1e-4 + rounding ** 2) / 1.0001, 7);
  });

  it("is nothing for zeros, and told with the largest magnitude for values beyond the range", async () => {
    expect(await scanWeight(bytes([0, 0, -0]))).toEqual({ count: 3, overflowed: 0, flushed: 0, maxAbs: 0, lostShare: 0 });
    const large = bytes([1, -9e4, Number.POSITIVE_INFINITY, 7e4]);
    expect(await scanWeight(large)).toMatchObject({ overflowed: 2, maxAbs: 90000 });
    // Values of a file begin at any byte.
    expect(await scanWeight(new Uint8Array(Buffer.concat([Buffer.from("x"), large])).subarray(1))).toMatchObject({ maxAbs: 90000 });
  });
});
