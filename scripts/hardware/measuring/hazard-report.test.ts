import { expect, test } from "vitest";
import { afterCrash, afterStop, type HazardEntry, inOrder, mergeEntries, nameOf, variants, variantsOf } from "./hazard-report.js";

const all = new Set(variants.keys());
const entry = (id: string, names: readonly string[], more: Partial<HazardEntry> = {}): HazardEntry => ({
  ...{ id, group: "g", title: id, hazards: [] },
  engines: names.flatMap((name) => {
    const variant = variants.get(name);
    return variant === undefined ? [] : [{ ...variant, outcome: "fine" as const }];
  }),
  ...more,
});

test("variants come by worth, plain casts only where constants matter, and as the engine has typings", () => {
  expect(variantsOf(true, ["typed", "weak"], all)).toEqual(["typed", "plain", "asked", "typed-marked", "asked-marked", "weak"]);
  expect(variantsOf(false, ["typed", "weak"], new Set(["asked", "plain", "typed"]))).toEqual(["typed", "asked"]);
  expect(variantsOf(undefined, ["weak"], all)).toEqual(["asked", "asked-marked", "weak"]);
});

test("every variant is found again by its name", () => {
  for (const [name, variant] of variants) expect(nameOf(JSON.parse(JSON.stringify(variant)))).toBe(name);
});

test("a process that its library ended costs the engine that was built, and says so", () => {
  const after = afterCrash(entry("a", ["typed"], { at: "asked" }), "SIGSEGV");
  expect(after.engines.map(nameOf)).toEqual(["typed", "asked"]);
  expect(after.engines[1]).toMatchObject({ outcome: "refused", reason: "the engine's library ended the process (SIGSEGV)" });
  expect(after.at).toBeUndefined();
  expect(afterCrash(entry("a", [], { at: "the FP32 engine" }), "SIGABRT").failed).toBe(
    "the engine's library ended the process (SIGABRT), in: the FP32 engine",
  );
  expect(afterCrash(entry("a", [], { at: "typed" }), "SIGKILL").engines[0]?.reason).toContain("memory");
  expect(afterCrash(entry("a", ["typed"]), "SIGSEGV")).toEqual(entry("a", ["typed"]));
});

test("what somebody ended is unfinished, never an answer of the engine's", () => {
  const stopped = entry("a", ["typed"], { at: "asked" });
  expect(afterStop(stopped)).toEqual(entry("a", ["typed"]));
  expect(inOrder([stopped], [{ id: "a", names: ["typed", "asked", "weak"] }])).toEqual([
    entry("a", ["typed"], { unfinished: ["asked", "weak"] }),
  ]);
});

test("cases keep the table's order; those of earlier runs stay, with what those had left open", () => {
  const found = [entry("b", ["typed"]), entry("a", ["typed"], { unfinished: ["weak"] }), entry("c", [], { failed: "why" })];
  const rows = inOrder(
    found,
    ["a", "b", "c", "d"].map((id) => ({ id, names: id === "a" ? [] : ["typed"] })),
  );
  expect(rows.map((r) => [r.id, r.unfinished])).toEqual([
    ["a", ["weak"]],
    ["b", undefined],
    ["c", undefined],
  ]);
});

test("of one case's entries the fuller one counts", () => {
  const merged = mergeEntries([entry("a", ["typed", "asked"]), entry("b", []), entry("a", ["typed"]), entry("b", ["typed"])]);
  expect(merged.map((e) => [e.id, e.engines.length])).toEqual([
    ["a", 2],
    ["b", 1],
  ]);
});
