import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DeviceEnvironment, encodeJson } from "@halfscope/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { HazardEngine } from "../hazards.js";
import { verdictPairs } from "../measuring/verdicts.js";
import { fillPage, notMeasured, tableNames } from "./fill-page.js";
import { number } from "./markdown-table.js";
import { noReports, type Reports, readReports } from "./reports.js";

const root = join(import.meta.dirname, "../../..");
const environment: DeviceEnvironment = {
  ...{ backend: "tensorrt", library: "TensorRT", version: "10.6.0", gpu: "NVIDIA H200", driver: "580.95.05" },
  capabilities: {
    ...{ typings: ["typed", "weak"], profiles: true, debugTensors: true, unfusedTensors: false },
    ...{ strictNans: true, layerTimes: true, realHalf: true },
  },
};
const head = { command: "node x.js", halfscope: "0.1.0", host: { cpu: "a", cores: 1 }, environment };
const engine = (o: Partial<HazardEngine>): HazardEngine => ({
  ...{ typing: "typed", constants: "finite", marked: false, outcome: "fine", error: 0.001 },
  ...o,
});
const withHazards = (engines: HazardEngine[], title = "a case"): Reports => {
  const report = {
    ...{ ...head, schema: "halfscope/hardware/hazards/1", file: "h.json", like: "tensorrt" },
    cases: [
      { id: "c", group: "g", title, hazards: ["mask-constant (warning)"], predicted: { outcome: "NaN" as const, error: 0 }, engines },
    ],
  };
  return { ...noReports(), all: [report], hazards: [report] };
};
const page = (name: string) => `before\n<!-- table ${name} -->\nold\n<!-- end -->\nbehind`;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "halfscope-page-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("docs/hardware.md", () => {
  const text = readFileSync(join(root, "docs/hardware.md"), "utf8");
  test("says what reports/hardware holds: run node scripts/dist/hardware/tables.js when this fails", () => {
    expect(text).toBe(fillPage(text, readReports(join(root, "reports/hardware"))));
  });
  test("has every table", () => {
    for (const name of tableNames) expect(text).toContain(`<!-- table ${name} -->`);
  });
});

describe("a page", () => {
  test.each(tableNames)("says that %s was not measured where there is no result", (name) => {
    expect(fillPage(page(name), noReports())).toBe(`before\n<!-- table ${name} -->\n${notMeasured}\n<!-- end -->\nbehind`);
  });
  test("that asks for a table nobody knows, or does not end one, is refused", () => {
    expect(() => fillPage(page("nonsense"), noReports())).toThrow('"nonsense"');
    expect(() => fillPage("<!-- table goals -->\n", noReports())).toThrow("opens 1 tables, 0 of them end");
  });
});

describe("the table of hazards", () => {
  test("tells marked engines apart only where they end otherwise, and counts what was as predicted", () => {
    const text = fillPage(
      page("hazards"),
      withHazards([engine({ outcome: "NaN" }), engine({ marked: true, outcome: "wrong", error: 1.3 })]),
    );
    expect(text).toContain("1 of 1 outcomes as predicted");
    expect(text).toContain("| a case | mask-constant | NaN | NaN; marked: wrong 1.3 | - | yes | no |");
    const same = fillPage(page("hazards"), withHazards([engine({}), engine({ marked: true, error: 0.002 })]));
    expect(same).toContain("| NaN | fine 0.001 | - | **no** | no |");
  });
  test("names what the engine warned of, and keeps texts from breaking the table", () => {
    const warned = engine({ outcome: "NaN", warnings: [{ kind: "layer-norm-overflow", text: "x", count: 2 }] });
    const text = fillPage(page("hazards"), withHazards([warned], "a | b <script>"));
    expect(text).toContain("a \\| b &lt;script> |");
    expect(text).toContain("| layer-norm-overflow |");
  });
});

describe("verdicts", () => {
  const kinds = (predicted: number, measured: number) => verdictPairs("m", "e", predicted, measured).map((p) => p.agrees);
  test("a prediction within a fifth agrees at all four tolerances", () => {
    expect(kinds(0.011, 0.01)).toEqual([true, true, true, true]);
    expect(kinds(0.0081, 0.01)).toEqual([true, true, true, true]);
  });
  test("a prediction beyond a tolerance disagrees there", () => {
    expect(kinds(0.013, 0.01)).toEqual([true, true, false, true]);
    expect(kinds(0.004, 0.01)).toEqual([false, false, true, true]);
    expect(kinds(Number.POSITIVE_INFINITY, 0.01)).toEqual([false, false, false, false]);
  });
  test("an engine that is not finite gives one pair, which agrees only with a prediction that is not finite", () => {
    expect(kinds(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)).toEqual([true]);
    expect(kinds(0.01, Number.POSITIVE_INFINITY)).toEqual([false]);
    expect(kinds(0.01, 0)).toEqual([]);
  });
});

describe("results", () => {
  const write = (name: string, report: object) => writeFileSync(join(folder, name), encodeJson(report));
  test("of a rehearsal are refused", () => {
    const rehearsal = {
      ...environment,
      library: "ONNX Runtime, CPU provider",
      capabilities: { ...environment.capabilities, realHalf: false },
    };
    write("r.json", { ...head, schema: "halfscope/hardware/hazards/1", environment: rehearsal, cases: [] });
    expect(() => readReports(folder)).toThrow("r.json is a rehearsal on ONNX Runtime, CPU provider");
    rmSync(join(folder, "r.json"));
  });
  test("of other schemas are refused, and a folder that is absent holds none", () => {
    write("o.json", { ...head, schema: "halfscope/result/1" });
    expect(() => readReports(folder)).toThrow('"halfscope/result/1"');
    rmSync(join(folder, "o.json"));
    expect(readReports(join(folder, "absent")).all).toEqual([]);
  });
});

test("numbers have three digits, and what is not finite is said in words", () => {
  expect([0, 0.0123456, 1234.5, 0.000012345, Number.POSITIVE_INFINITY, Number.NaN].map(number)).toEqual([
    "0",
    "0.0123",
    "1,230",
    "1.23e-5",
    "not finite",
    "-",
  ]);
});
