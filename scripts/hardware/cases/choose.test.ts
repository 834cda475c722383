import { expect, test } from "vitest";
import { byWorth, chooseCases, telling } from "./choose.js";
import { hazardCases } from "./index.js";

const ids = (only: string) => chooseCases(hazardCases, only).map((c) => c.id);

test("parts of ids and groups choose, in the table's order; nothing chooses all", () => {
  expect(chooseCases(hazardCases, "")).toBe(hazardCases);
  expect(ids("small divisor")).toContain("logarithm-1e-10");
  expect(ids("softmax-node,norm-node-300")).toEqual(["norm-node-300", "softmax-node-1000"]);
  expect(ids("norm-node-300, softmax-node,")).toEqual(["norm-node-300", "softmax-node-1000"]);
});

test("a part that no case has is an error that names it and the groups", () => {
  expect(() => ids("mask,softmaxx,norm")).toThrow(/no case has "softmaxx"/);
  expect(() => ids("none")).toThrow(expect.objectContaining({ code: "ERR_OPTION", hint: expect.stringContaining("small divisor") }));
});

test("first comes one case of every group, the most telling; nothing is lost", () => {
  const ordered = byWorth(hazardCases);
  const groups = new Set(hazardCases.map((c) => c.group));
  const first = ordered.slice(0, groups.size);
  expect(new Set(first.map((c) => c.group))).toEqual(groups);
  for (const id of ["norm-written-out-1000", "mask-multiplied-3.4e38", "product-65536", "weights-subnormal"])
    expect(first.map((c) => c.id)).toContain(id);
  expect(ordered.map((c) => c.id).sort()).toEqual(hazardCases.map((c) => c.id).sort());
  for (const id of telling) expect(hazardCases.map((c) => c.id)).toContain(id);
});
