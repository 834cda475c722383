import { type ErrorStats, statsFromBlock, statsWidth } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { seeded } from "../../../../test/support/model-file.js";
import { groupTensors, type Markable, markableOf, mergeCompared } from "./marking-groups.js";

const tensors = (...bytes: (number | undefined)[]): Markable[] => bytes.map((b, i) => ({ tensor: `t${i}`, bytes: b }));

describe("groupTensors", () => {
  it("fills groups in order up to the limit", () => {
    const { groups, notes } = groupTensors(tensors(4, 4, 4, 2, 6), { limitBytes: 8 });
    expect(groups).toEqual([
      { tensors: ["t0", "t1"], bytes: 8 },
      { tensors: ["t2", "t3"], bytes: 6 },
      { tensors: ["t4"], bytes: 6 },
    ]);
    expect(notes).toEqual([]);
  });

  it("gives a tensor beyond the limit a group of its own and says so", () => {
    const { groups, notes } = groupTensors(tensors(2, 100, 2, 2), { limitBytes: 10 });
    expect(groups.map((g) => g.tensors)).toEqual([["t0"], ["t1"], ["t2", "t3"]]);
    expect(notes).toEqual(['"t1" alone takes 100 bytes, more than the 10 that a group may take; it is observed on its own.']);
  });

  it("counts a tensor of unknown size as the largest known one", () => {
    const { groups, notes } = groupTensors(tensors(3, undefined, 1), { limitBytes: 6 });
    expect(groups.map((g) => g.tensors)).toEqual([["t0", "t1"], ["t2"]]);
    expect(notes).toEqual([expect.stringMatching(/sizes of 1 of 3 tensors are not known/)]);
  });

  it("limits how many are in a group", () => {
    expect(groupTensors(tensors(1, 1, 1, 1, 1), { limitBytes: 100, limitTensors: 2 }).groups.map((g) => g.tensors.length)).toEqual([
      2, 2, 1,
    ]);
  });

  it("makes no group of nothing", () => {
    expect(groupTensors([], { limitBytes: 1 })).toEqual({ groups: [], notes: [] });
  });

  it("keeps every tensor once and in order, and every group but those of one within the limit", () => {
    const random = seeded(9);
    for (let i = 0; i < 500; i++) {
      const given = tensors(
        ...Array.from({ length: Math.floor(random() * 40) }, () => (random() < 0.1 ? undefined : Math.floor(random() * 30))),
      );
      const limitBytes = Math.floor(random() * 60);
      const { groups } = groupTensors(given, { limitBytes });
      expect(groups.flatMap((g) => g.tensors)).toEqual(given.map((t) => t.tensor));
      for (const group of groups) if (group.tensors.length > 1) expect(group.bytes).toBeLessThanOrEqual(limitBytes);
      // No two neighbours would have fitted into one: each group's successor starts with a tensor that the group had no room for.
      const largest = Math.max(0, ...given.map((t) => t.bytes ?? 0));
      const bytes = new Map(given.map((t) => [t.tensor, t.bytes ?? largest]));
      groups.slice(1).forEach((group, at) => {
        expect((groups[at]?.bytes ?? 0) + (bytes.get(group.tensors[0] ?? "") ?? 0)).toBeGreaterThan(limitBytes);
      });
    }
  });
});

describe("markableOf", () => {
  it("takes the tensor's own type, or the one it is given out in", () => {
    const types = new Map([
      ["x", { dtype: "float32" as const, dims: [2, 3] }],
      ["open", { dtype: "float32" as const, dims: [2, undefined] }],
    ]);
    expect(markableOf("x", types)).toEqual({ tensor: "x", bytes: 24 });
    expect(markableOf("x", types, "float16")).toEqual({ tensor: "x", bytes: 12 });
    expect(markableOf("open", types)).toEqual({ tensor: "open", bytes: undefined });
    expect(markableOf("absent", types)).toEqual({ tensor: "absent", bytes: undefined });
  });
});

describe("mergeCompared", () => {
  const stats = (maxAbs: number): ErrorStats => ({ ...statsFromBlock(new Float64Array(statsWidth), 0), maxAbs });

  it("joins groups, in order, and forgets that one lacked what another compared", () => {
    const merged = mergeCompared([
      { stats: new Map([["a", stats(1)]]), notCompared: [{ tensor: "b", reason: "not in this engine" }], seconds: 1 },
      {
        stats: new Map([
          ["b", stats(2)],
          ["a", stats(3)],
        ]),
        notCompared: [{ tensor: "c", reason: "no float" }],
        seconds: 2,
      },
      { stats: new Map(), notCompared: [{ tensor: "c", reason: "again" }], seconds: 0.5 },
    ]);
    expect([...merged.stats].map(([tensor, s]) => [tensor, s.maxAbs])).toEqual([
      ["a", 1],
      ["b", 2],
    ]);
    expect(merged.notCompared).toEqual([{ tensor: "c", reason: "no float" }]);
    expect(merged.seconds).toBe(3.5);
  });
});
