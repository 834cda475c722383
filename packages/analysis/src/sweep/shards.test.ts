import { describe, expect, it } from "vitest";
import { isOfShard, parseShard } from "./shards.js";

const groupsOf = (index: number, of: number, count: number) =>
  Array.from({ length: count }, (_, g) => g).filter((g) => isOfShard({ index, of }, g));

describe("shards", () => {
  it.each([1, 2, 3, 7])("of %i give every group to exactly one", (of) => {
    const all = Array.from({ length: of }, (_, i) => groupsOf(i + 1, of, 100));
    expect(all.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, g) => g));
    for (const part of all) expect(part.length).toBeGreaterThanOrEqual(Math.floor(100 / of));
  });

  it("cost the same, although groups get cheaper towards the end of the graph", () => {
    const cost = (groups: number[]) => groups.reduce((sum, g) => sum + 1 - g / 840, 0);
    const costs = [1, 2, 3, 4].map((i) => cost(groupsOf(i, 4, 840)));
    for (const c of costs) expect(c).toBeCloseTo(costs[0] ?? 0, 6);
  });

  it("are typed as I/N", () => {
    expect(parseShard("2/3")).toEqual({ index: 2, of: 3 });
    expect(parseShard(" 1/1 ")).toEqual({ index: 1, of: 1 });
  });

  it.each(["", "2", "0/3", "4/3", "-1/3", "1/0", "1/2000", "1.5/3", "a/b", "1/3/5", "1 / 3", "99999999999999999999/3"])(
    "are refused as %j, with an example",
    (text) => {
      expect(() => parseShard(text)).toThrow(
        expect.objectContaining({
          code: "ERR_OPTION",
          hint: expect.stringContaining("--shard 1/3"),
          message: expect.stringContaining("I/N"),
        }),
      );
    },
  );
});
