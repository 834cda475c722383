import { describe, expect, it } from "vitest";
import type { JournalHead } from "./journal.js";
import type { JournalContent } from "./journal-file.js";
import { linesOfJournal, type MergeJournalsOptions, mergeJournals } from "./journal-merge.js";
import { packProjection } from "./projection.js";

const head: JournalHead = {
  schema: "halfscope/journal/1",
  modelDigest: "m",
  feedDigest: "f",
  like: "pytorch",
  constants: "finite",
  basePins: [],
  halfscope: "0.1.0",
  onnxruntime: "1.30.0",
  instructionSet: "avx2",
};
const groups = ["a", "b", "c", "d"];
type Results = Readonly<Record<string, unknown>>;
const journal = (
  name: string,
  entries: Results,
  more: Partial<JournalHead> = {},
  o: Partial<JournalContent<unknown>> = {},
): JournalContent<unknown> => ({
  path: `${name}/journal.jsonl`,
  head: { ...head, ...more },
  groups,
  entries: new Map(Object.entries(entries)),
  torn: 0,
  wholeBytes: 0,
  open: false,
  ...o,
});
const error = (outputError: number, more: object = {}) => ({ outputError, perOutput: [outputError], nonFinite: false, ...more });
const refused = (message: RegExp) => expect.objectContaining({ code: "ERR_JOURNAL", exitCode: 2, message: expect.stringMatching(message) });

describe("journals of parts", () => {
  it("become one in graph order, whatever the order of folders, and nothing is missing", () => {
    const merged = mergeJournals([journal("two", { d: error(4), b: error(2) }), journal("one", { c: error(3), a: error(1) })]);
    expect([...merged.entries.keys()]).toEqual(groups);
    expect(merged).toMatchObject({ head, missing: [], duplicates: 0, groups });
    expect(linesOfJournal(merged).slice(0, 3)).toEqual([head, { groups }, { key: "a", result: error(1) }]);
  });

  it("lose results that several have, and count what nobody has", () => {
    const merged = mergeJournals([
      journal("one", { a: error(1), b: error(2) }),
      journal("two", { b: error(2), c: error(3) }, {}, { torn: 2 }),
    ]);
    expect(merged).toMatchObject({ missing: ["d"], duplicates: 1, torn: 2 });
  });

  it("of which none lists its candidates do not say what is missing", () => {
    const parts = [journal("one", { b: error(1) }, {}, { groups: undefined }), journal("two", { a: error(2) }, {}, { groups: undefined })];
    const merged = mergeJournals(parts);
    expect(merged.missing).toBeUndefined();
    expect(linesOfJournal(merged)).toHaveLength(3);
  });

  it("that contradict each other are refused, with both values and both files", () => {
    const parts = [journal("one", { a: error(0.25) }), journal("two", { a: error(0.5) })];
    expect(() => mergeJournals(parts)).toThrow(
      refused(/Two results for "a": outputError is 0.25 in one\/journal.jsonl and 0.5 in two\/journal.jsonl/),
    );
    expect(() => mergeJournals(parts, { allowMixed: true, tolerance: 1 }), "one environment: no tolerance").toThrow(refused(/0.25.*0.5/));
    expect(() => mergeJournals([journal("one", { a: error(Number.NaN) }), journal("two", { a: error(Number.NaN) })])).not.toThrow();
    expect(() => mergeJournals([journal("one", { a: error(0) }), journal("two", { a: error(-0) })])).toThrow(
      refused(/is 0 in .* \{"\$number":"-0"\}/),
    );
  });

  it.each<[string, Partial<JournalHead>]>([
    ["modelDigest", { modelDigest: "other" }],
    ["feedDigest", { feedDigest: "other" }],
    ["basePins", { basePins: ["x"] }],
    ["precision", { precision: "bfloat16" }],
    ["somethingNew", { somethingNew: 1 } as never],
  ])("of another %s are no parts of one sweep", (name, more) => {
    for (const parts of [
      [journal("one", {}), journal("two", {}, more)],
      [journal("one", {}, more), journal("two", {})],
    ])
      expect(() => mergeJournals(parts, { allowMixed: true })).toThrow(refused(new RegExp(`not parts of one sweep: ${name} differ`)));
  });

  it("with other candidates are no parts of one sweep either", () => {
    expect(() => mergeJournals([journal("one", {}), journal("two", {}, {}, { groups: ["a"] })])).toThrow(refused(/candidates differ/));
  });

  it("without a head, of another schema, or none at all are refused", () => {
    expect(() => mergeJournals([])).toThrow(refused(/no journal/));
    expect(() => mergeJournals([journal("one", {}, {}, { head: undefined })])).toThrow(refused(/one\/journal.jsonl holds nothing/));
    expect(() => mergeJournals([journal("one", {}, { schema: "halfscope/journal/9" } as never)])).toThrow(refused(/halfscope\/journal\/9/));
  });

  describe("from several environments", () => {
    const other = { instructionSet: "avx512" };
    const merge = (a: unknown, b: unknown, o: MergeJournalsOptions = { allowMixed: true }) =>
      mergeJournals([journal("one", { a }), journal("two", { a: b, b: error(1) }, other)], o);

    it("need --allow-mixed, and are told by name", () => {
      expect(() => merge(error(1), error(1), {})).toThrow(refused(/different environments: .*1.30.0, avx2; .*1.30.0, avx512/));
    });

    it("are one within the tolerance, the first folder's results are taken, and the head says all of it", () => {
      const merged = merge(error(1), error(1.0005));
      expect(merged.entries.get("a")).toEqual(error(1));
      expect(merged.head).toMatchObject({
        instructionSet: "avx2",
        mixed: { tolerance: 1e-3, environments: [{ instructionSet: "avx2" }, { instructionSet: "avx512" }] },
      });
    });

    it("contradict each other beyond it, and where one is not finite", () => {
      expect(() => merge(error(1), error(1.002))).toThrow(refused(/more than 0.001 apart/));
      expect(() => merge(error(1), error(1.002), { allowMixed: true, tolerance: 0.01 })).not.toThrow();
      expect(() => merge(error(1), error(Number.POSITIVE_INFINITY), { allowMixed: true, tolerance: 1e9 })).toThrow(refused(/Infinity/));
      expect(() => merge(error(1), error(1, { nonFinite: true }), { allowMixed: true, tolerance: 1e9 })).toThrow(
        refused(/nonFinite is false/),
      );
      expect(() => merge(error(1), error(1, { perOutput: [1, 2] }))).toThrow(refused(/perOutput\[1\]/));
    });

    it("compare projections as vectors: a component may be next to nothing", () => {
      const vector = Float64Array.from({ length: 32 }, (_, i) => Math.sin(i + 1e-9));
      const signed = (by: number) => error(1, { signed: [[packProjection(vector.map((x, i) => x + (i === 0 ? by : 0)))]] });
      expect(() => merge(signed(0), signed(1e-4))).not.toThrow();
      expect(() => merge(signed(0), signed(0.5))).toThrow(refused(/signed\[0\]\[0\]/));
      expect(() => merge(signed(0), error(1, { signed: [["junk"]] }))).toThrow(refused(/signed/));
      expect(() => merge(error(1, { signed: [[""]] }), error(1, { signed: [[""]] }))).not.toThrow();
    });

    it("merged again stay mixed, and a third environment needs to be allowed too", () => {
      const merged = merge(error(1), error(1));
      const again = journal("out", Object.fromEntries(merged.entries), merged.head);
      expect(mergeJournals([again]).head).toEqual(merged.head);
      const third = journal("three", { c: error(1) }, { instructionSet: "scalar" });
      expect(() => mergeJournals([again, third])).toThrow(refused(/different environments/));
      expect(mergeJournals([again, third], { allowMixed: true }).head.mixed?.environments).toHaveLength(3);
      expect(() => mergeJournals([again, journal("two", {}, other)])).not.toThrow();
    });
  });
});
