import { describe, expect, test } from "vitest";
import { CompareGroups } from "./compare-groups.js";

const all = (groups: CompareGroups, sizes: Readonly<Record<string, number>> = {}): (readonly string[])[] => {
  const dealt: (readonly string[])[] = [];
  for (let group = groups.next(); group !== undefined; group = groups.next()) {
    dealt.push(group);
    for (const tensor of group) groups.seen(sizes[tensor] ?? 0);
  }
  return dealt;
};

describe("CompareGroups", () => {
  test("keeps the order and the limit; what is larger than the limit goes alone", () => {
    const tensors = [3, 4, 5, 20, 1, 1].map((bytes, i) => ({ tensor: `t${i}`, bytes }));
    expect(all(new CompareGroups(tensors, 8))).toEqual([["t0", "t1"], ["t2"], ["t3"], ["t4", "t5"]]);
    expect(all(new CompareGroups([], 8))).toEqual([]);
  });

  test("starts small where no size is known, and goes by what the first ones took", () => {
    const tensors = Array.from({ length: 40 }, (_, i) => ({ tensor: `t${i}`, bytes: undefined }));
    const dealt = all(new CompareGroups(tensors, 100), { t3: 25 });
    expect(dealt[0]?.length).toBe(16);
    expect(dealt.slice(1).map((g) => g.length)).toEqual([4, 4, 4, 4, 4, 4]);
    expect(dealt.flat()).toEqual(tensors.map((t) => t.tensor));
  });
});
