import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BenchDocument, decodeJson, encodeJson } from "@halfscope/core";
import { type ExampleBenchOptions, exampleBench, renderBenchHtml } from "@halfscope/report";
import { describe, expect, it, test } from "vitest";
import { temporaryFolder } from "../../../../test/support/model-file.js";
import { benchFiles, loadBench } from "./bench-files.js";
import { findBenchDamage } from "./bench-shape.js";

const kinds: readonly NonNullable<ExampleBenchOptions["kind"]>[] = ["candidate", "alone", "mixes", "static", "broken"];
const whole = (kind: ExampleBenchOptions["kind"]): BenchDocument => {
  const clocks = { smMHz: 1980, memoryMHz: 2619, powerWatts: 300, temperatureC: 40, throttle: ["heat"] };
  const d = exampleBench({ kind: kind ?? "candidate", shapes: 1 });
  return {
    ...d,
    clocks: { before: clocks, after: clocks, reason: "none" },
    stopped: { comparisons: [1, 2], points: [0, 2], rounds: [0, 4] },
    options: { ...d.options, build: { workspaceBytes: 1 } },
    verdict: { ...d.verdict, against: "single", notRealHalf: "It is not." },
  };
};
const copy = (d: object) => decodeJson(encodeJson(d)) as Record<string, unknown>;

/** Every place in a document, lists by their first entry. */
function places(value: unknown, path: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof value !== "object" || value === null) return [path];
  const keys = Array.isArray(value) ? (value.length > 0 ? [0] : []) : Object.keys(value);
  return [path, ...keys.flatMap((k) => places((value as Record<string | number, unknown>)[k], [...path, k]))];
}
function changed(d: object, path: readonly (string | number)[], value: unknown): unknown {
  const made = copy(d);
  let at = made as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  const last = path.at(-1) ?? "";
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy(made);
}

describe("a saved benchmark", () => {
  test.each(kinds)("(%s) is whole", (kind) => {
    expect(findBenchDamage(copy(exampleBench({ kind })))).toBeUndefined();
    expect(findBenchDamage(copy(whole(kind)))).toBeUndefined();
  });

  it("that is damaged anywhere is refused or can be shown all the same", () => {
    const d = whole("candidate");
    let refused = 0;
    // Statistics of single outputs are not shown.
    for (const path of places(d)
      .slice(1)
      .filter((p) => !p.includes("outputs")))
      for (const value of [undefined, null, 7, "text", []]) {
        const made = changed(d, path, value);
        if (findBenchDamage(made) !== undefined) refused++;
        else expect(() => renderBenchHtml(made as BenchDocument), `${path.join(".")} = ${JSON.stringify(value)}`).not.toThrow();
      }
    expect(refused).toBeGreaterThan(500);
  });

  test.each([
    [["points", 0, "latency", "p50"], "fast", /^points\[0\]\.latency\.p50 is no number/],
    [["verdict", "outcome"], "fine", /^verdict\.outcome is none of within/],
    [["stopped", "rounds"], [1], /^stopped\.rounds is no pair/],
    [["engines", 0, "messages"], undefined, /^engines\[0\]\.messages is missing, expected list/],
  ])("says what is wrong: %j", (path, value, words) => {
    expect(findBenchDamage(changed(whole("candidate"), path as (string | number)[], value))).toMatch(words);
  });
});

describe("a folder of a benchmark", () => {
  const folder = temporaryFolder();
  const at = (name: string, text: string) => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, benchFiles.document), text);
    return join(folder, name);
  };
  it("is read, and another one is none", async () => {
    const d = exampleBench();
    expect(await loadBench(at("whole", encodeJson(d)))).toEqual(copy(d));
    expect(await loadBench(join(folder, "nowhere"))).toBeUndefined();
  });
  test.each([
    ["cut", '{"schema": "halfscope/be', /is not JSON/],
    ["other", '{"schema": "halfscope/result/1"}', /expected "halfscope\/bench\/1"/],
    ["empty", '{"schema": "halfscope/bench/1"}', /is damaged: halfscope is missing/],
    ["none", "null", /has the schema undefined/],
  ])("with a file that is %s is refused", async (name, text, words) => {
    await expect(loadBench(at(name, text))).rejects.toMatchObject({
      code: "ERR_RESULT",
      exitCode: 2,
      message: expect.stringMatching(words),
    });
  });
});
