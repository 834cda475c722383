import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type DeviceResult, decodeJson, encodeJson, type ResultDocument } from "@halfscope/core";
import { describe, expect, test } from "vitest";
import { renderMarkdown } from "../../markdown.js";
import { renderHtml } from "../../page.js";
import { renderTerminalSummary } from "../../terminal.js";
import { type ExampleDeviceOptions, exampleDevice, minimalDevice } from "../../testing/example-device.js";
import type { RecordedErrors } from "../../testing/example-device-tensors.js";
import { exampleResult } from "../../testing/example-result.js";
import { readStrictly } from "../../testing/strict-html.js";

const stored = join(import.meta.dirname, "../../../../../test/hardware/tensorrt-h200/bert-large.json");
const recorded = JSON.parse(readFileSync(stored, "utf8")) as RecordedErrors;
const base = exampleResult({ blocks: 9 });
const pins = base.recommendation?.pins.map((p) => p.layer) ?? [];
const withDevice = (device: DeviceResult, result: ResultDocument = base): ResultDocument => ({ ...result, device });
const example = (o: ExampleDeviceOptions = {}) => withDevice(exampleDevice({ pins, ...o }));

/** The section's HTML. */
const sectionOf = (result: ResultDocument): string => {
  const page = renderHtml(result);
  const start = page.indexOf('<section id="engine">');
  return start < 0 ? "" : page.slice(start, page.indexOf("</section>", start));
};
const textOf = (result: ResultDocument): string => readStrictly(sectionOf(result)).text;
/** Rows of the table behind a heading. */
const rowsBehind = (section: string, heading: string): string[] => {
  const from = section.indexOf(`>${heading}</h`);
  const body = section.slice(section.indexOf("<tbody>", from), section.indexOf("</tbody>", from));
  return from < 0 ? [] : (body.match(/<tr>.*?<\/tr>/gs) ?? []);
};

describe("a result without an engine", () => {
  test("says nothing of one, anywhere", () => {
    const page = renderHtml(base);
    expect(page.includes('id="engine"')).toBe(false);
    expect(page.includes("#engine")).toBe(false);
    expect(renderMarkdown(base).includes("On the engine")).toBe(false);
    expect(renderTerminalSummary(base).includes("engine")).toBe(false);
  });
});

describe("the section of an engine that agrees", () => {
  const result = example({ recorded });
  const section = sectionOf(result);

  test("answers in words, with errors, latencies, agreement and what a predictor without numbers would reach", () => {
    const text = textOf(result);
    expect(text).toContain(`Yes: with the ${pins.length} recommended pins the engine is within the tolerance.`);
    expect(text).toContain("differ by 0.00214 from the FP32 engine");
    expect(text).toContain(
      "A request takes 1.24 ms (median): 1.6 % slower than with every layer in FP16 (1.22 ms, which is no more than requests vary)",
    );
    expect(text).toContain("3.3 times quicker than FP32 (4.08 ms)");
    expect(text).toContain("Spearman 0.9972; 0.6613 for a predictor that knows magnitude and depth alone");
    expect(text).toContain("0.986 in the median, 0.949 to 1.12");
    expect(section.includes("answer-yes")).toBe(true);
  });

  test("holds no race between two builds of one engine: without pins, recommended and all FP16 are the same", () => {
    const text = textOf(example({ recorded, pins: [] }));
    expect(text).toContain("A request takes ");
    expect(text).not.toContain("than with every layer in FP16");
    expect(text).toContain("quicker than FP32 (4.08 ms)");
  });

  test("lists every engine with its verdict, and the place where it ran", () => {
    const { engines = [] } = result.device ?? {};
    const rows = rowsBehind(section, "Engines");
    expect(rows.length).toBe(engines.length);
    expect(rows.filter((r) => r.includes(">within<")).length).toBe(engines.filter((e) => e.outcome === "within").length);
    expect(rows[2]).toContain("52.2 s");
    expect(rows[2]).toContain("99 %");
    for (const fact of ["NVIDIA H200", "580.159.04", "13.0", "TensorRT 10.6.0", "timing cache"]) expect(textOf(result)).toContain(fact);
  });

  test("draws a mark per tensor with an error on both sides, and numbers those that differ most as the table does", () => {
    const both = (result.device?.tensors ?? []).filter((t) => t.measured.sumAbs > 0 && (t.predicted?.meanAbs ?? 0) > 0).length;
    expect(both).toBeGreaterThan(1200);
    expect(section.match(/<circle /g)?.length).toBe(2 * both);
    const furthest = rowsBehind(section, "Where prediction and engine differ most");
    expect(furthest.length).toBe(8);
    const ratios = furthest.map((r) => Number(/title="([\d.]+)"[^>]*>[^<]*<\/td><td class="n">[^<]*<\/td><\/tr>$/.exec(r)?.[1]));
    const off = ratios.map((r) => Math.abs(Math.log(r)));
    expect(off.every(Number.isFinite)).toBe(true);
    expect(off).toEqual(off.toSorted((a, b) => b - a));
  });

  test("names the roles beside their marks on the front", () => {
    const chart = section.slice(section.indexOf("<svg"), section.indexOf("</svg>"));
    for (const label of ["every layer in FP16", `recommended pins (${pins.length} pins)`, "FP32 reference", "scores and Softmax in FP32"])
      expect(chart).toContain(`>${label}</text>`);
    expect(/<path class="front" d="M[^"]+"/.test(chart)).toBe(true);
    expect(chart).toContain("every layer in FP16, error 0.00301, 1.22 ms");
    // Marked engines are not what anybody serves.
    expect(chart).not.toContain("4.74 ms");
  });

  test("counts what could not be observed by reason, and messages by kind", () => {
    expect(rowsBehind(section, "Tensors that could not be observed")[0]).toMatch(/folds it away.*<td class="n">9<\/td>.*and 5 more/s);
    const said = rowsBehind(section, "What the engine's library said");
    expect(said[0]).toContain("normalization in FP16 may overflow");
    // Said once by two engines.
    expect(said[0]).toMatch(/<td class="n">1<\/td><td class="n">2<\/td>/);
    expect(said[1]).toContain("and 1 more");
  });

  test("is the same for a result that was saved and read again, and the same every time", () => {
    expect(renderHtml(decodeJson(encodeJson(result)) as ResultDocument)).toBe(renderHtml(result));
    expect(renderHtml(example({ recorded }))).toBe(renderHtml(result));
  });

  test("keeps the page of BERT-large with all its tensors below 1.5 MB", () => {
    expect(renderHtml(withDevice(exampleDevice({ recorded }), exampleResult())).length).toBeLessThan(1.5e6);
  });

  test("shows that fewer pins are enough on the engine", () => {
    const device = exampleDevice({ pins });
    const text = textOf(withDevice({ ...device, refined: { pins: [], error: 0.00301 } }));
    expect(text).toContain("No pins are needed on this engine: every layer in FP16, error 0.00301.");
    expect(text).toContain("Yes: with the");
  });
});

describe("an engine that refutes the prediction", () => {
  const result = example({ story: "refuted", pins: [...pins, "x/y", "z"] });
  const section = sectionOf(result);

  test("turns the answer of the whole page, in every form", () => {
    const page = renderHtml(result);
    expect(page.indexOf("Predicted to work, but it does not on the engine.")).toBeLessThan(page.indexOf('id="engine"'));
    expect(renderMarkdown(result)).toContain("**Predicted to work, but it does not on the engine.**");
    expect(renderTerminalSummary(result).split("\n")[0]).toBe("Predicted to work, but it does not on the engine.");
  });

  test("is loud about the wrong verdict, the ignored pin, the nodes on the CPU and marking", () => {
    const loud = [...section.matchAll(/<strong class="alarm">([^<]*)|class="(?:note )?alarm"><strong>([^<]*)/g)].map((m) => m[1] ?? m[2]);
    const all = loud.join("\n");
    expect(all).toContain(
      "Prediction and engine differ (recommended pins): within was predicted (error 0.00215), not within was measured (0.0141).",
    );
    expect(all).toContain("1 pin was ignored by an engine");
    expect(all).toContain("1 pinned layer is computed in FP16 all the same");
    expect(all).toContain("37 nodes of 1,217");
    expect(all).toContain("a factor of 1.83 apart");
    expect(textOf(result)).toMatch(/with another set, of \d+ pins,\s+the engine is within the tolerance/);
  });

  test("lists ignored pins first, and every pin once", () => {
    const rows = rowsBehind(section, "Are the pins in the engine?");
    expect(rows.length).toBe(pins.length + 2);
    expect(rows[0]).toContain('<span class="tag tag-silent">ignored</span>');
    expect(rows.filter((r) => r.includes(">ignored<")).length).toBe(1);
    expect(renderMarkdown(result)).toContain("- **ignored**: `");
  });

  test("tells a pin that no kernel shows from one that is not there, and is not alarmed by it", () => {
    const device = exampleDevice({ pins });
    const engines = device.engines.map((e) => ({
      ...e,
      ...(e.proofs && { proofs: e.proofs.map((p) => ({ ...p, outcome: "unknown" as const })) }),
    }));
    const silent = withDevice({ ...device, engines });
    expect(textOf(silent)).toContain(`${pins.length} pins: ${pins.length} not known`);
    const rows = rowsBehind(sectionOf(silent), "Are the pins in the engine?");
    expect(rows[0]).toContain('<span class="tag">not known</span>');
    expect(renderMarkdown(silent)).not.toMatch(/ignored|not found/);
  });

  test("never calls an error that is not a number within", () => {
    const row = rowsBehind(section, "Engines").find((r) => r.includes("scores and Softmax"));
    expect(row).toContain("not finite");
    const device = exampleDevice({ pins });
    const engines = device.engines.map((e) => (e.role === "recommended" ? { ...e, error: Number.NaN, outcome: "within" as const } : e));
    expect(textOf(withDevice({ ...device, engines }))).toContain("No: with the");
    expect(renderHtml(withDevice({ ...device, engines }))).toContain("Predicted to work, but it does not on the engine.");
  });

  test("lists a tensor that is not finite first among the worst", () => {
    expect(rowsBehind(section, "Largest errors on the engine")[0]).toContain("not finite");
  });
});

describe("an engine that could not be built", () => {
  const device = exampleDevice({ pins });
  const reason = "could not be built: Error Code 10: no implementation for {ForeignNode[a...b]}.";
  const without = (role: string): DeviceResult => ({
    ...device,
    engines: device.engines.map((e) =>
      e.role === role && e.marked === 0
        ? { role: e.role, title: e.title, typing: e.typing, pins: e.pins, marked: 0, buildSeconds: 12, messages: [], failed: reason }
        : e,
    ),
  });

  test("is a row without figures, with the library's words, and a warning above", () => {
    const result = withDevice(without("guides"));
    const rows = rowsBehind(sectionOf(result), "Engines").filter((r) => r.includes("not built"));
    expect(rows.length).toBe(2);
    for (const row of rows) expect(row).not.toMatch(/within|NaN/);
    const text = textOf(result);
    expect(text).toContain(`The engine &quot;LayerNormalization in FP32&quot; ${reason}`);
    expect(text).toContain("Yes: with the");
    const markdown = renderMarkdown(result);
    expect(markdown).toContain("| **not built** |");
    expect(markdown).toContain("no implementation for");
  });

  test("leaves no answer where it is the reference, and the answer no where it is the recommended one", () => {
    expect(textOf(withDevice(without("reference")))).toContain(
      "No answer: the FP32 engine, with which all others are compared, could not be had.",
    );
    const page = renderHtml(withDevice(without("recommended")));
    expect(page).toContain(`No: there is no engine with the ${pins.length} recommended pins.`);
    expect(page).toContain("Predicted to work, but it does not on the engine.");
    expect(renderTerminalSummary(withDevice(without("recommended"))).split("\n")[0]).toBe(
      "Predicted to work, but it does not on the engine.",
    );
  });

  test("of a trial stands in the list of what was tried", () => {
    const trials = [...(device.trials ?? []), { pins: ["x"], error: Number.POSITIVE_INFINITY, why: "more", failed: reason }];
    const row = rowsBehind(sectionOf(withDevice({ ...device, trials })), "Sets of pins tried on the engine").at(-1);
    expect(row).toContain("not built");
    expect(row).not.toMatch(/not finite|Inf/);
  });
});

describe("fused attentions", () => {
  const counted = (counts: Readonly<Record<string, number>>): DeviceResult => {
    const device = exampleDevice({ pins });
    return {
      ...device,
      engines: device.engines.map((e) => ({ ...e, ...(counts[e.title] !== undefined && { fusedAttentions: counts[e.title] as number }) })),
    };
  };
  const some = counted({
    "all FP16, strongly typed": 24,
    "LayerNormalization in FP32": 24,
    "scores and Softmax in FP32": 0,
    "FP32, TF32 off": 0,
  });

  test("have a column, and the pins that take them apart a price by name", () => {
    const result = withDevice(some);
    expect(sectionOf(result)).toContain("fused attentions");
    const row = rowsBehind(sectionOf(result), "Engines").find((r) => r.includes("all FP16, strongly typed"));
    expect(row).toContain('<td class="n">24</td>');
    expect(textOf(result)).toContain(
      "As guides advise: 0 of 24 fused attentions are left; 1.47 ms against 1.22 ms with every layer in FP16.",
    );
    expect(textOf(result).match(/fused attentions are left/g)?.length).toBe(1);
    const [head, rule, ...rows] = renderMarkdown(result)
      .split("\n")
      .filter((l) => l.startsWith("|") && /engine|---|typed|FP32/.test(l));
    expect(head).toContain("| fused attentions |");
    for (const line of [rule, ...rows.slice(0, some.engines.length)]) expect(line?.split("|").length).toBe(head?.split("|").length);
  });

  test("are not spoken of where no engine has any", () => {
    for (const device of [exampleDevice({ pins }), counted({ "all FP16, strongly typed": 0, "FP32, TF32 off": 0 })])
      expect(sectionOf(withDevice(device))).not.toContain("fused attention");
  });
});

describe("an engine without real FP16", () => {
  test("says so loudly, and its verdict turns nothing", () => {
    const { environment } = minimalDevice();
    const device = { ...exampleDevice({ pins, story: "refuted" }), environment };
    const result = withDevice(device);
    expect(textOf(result)).toContain("FP16 is not real here");
    expect(sectionOf(result)).toMatch(/alarm"><strong>Errors and verdicts of these engines say nothing about a GPU/);
    expect(sectionOf(result)).not.toMatch(/answer-(yes|no)/);
    expect(renderTerminalSummary(result).split("\n")[0]).toMatch(/^Yes, with/);
    // Everything of ort-cpu runs on the CPU: that is no fallback.
    expect(sectionOf(result)).not.toContain("fell back");
  });

  test("of which next to nothing is known is well formed", () => {
    const text = textOf(withDevice(minimalDevice()));
    expect(text).toContain("No engine was built.");
    expect(() => readStrictly(renderHtml(withDevice(minimalDevice(), exampleResult({ blocks: 1, upTo: "inspected" }))))).not.toThrow();
  });
});

describe("an engine with hostile names", () => {
  const own = readStrictly(renderHtml(example({ story: "refuted", pins: [...pins, "x/y"] })));
  const hostile: Readonly<Record<string, (n: string) => string>> = {
    "an image with a handler": (n) => `"><img src=x onerror=alert(1)>${n}`,
    "the end of a script": (n) => `${n}</script><script>alert(1)</script>`,
    "line separators and overrides": (n) => `\u202e${n}\u2028\n\r\0`,
    backticks: (n) => `\`</code>${n}\`<b>`,
    "10,000 characters": (n) => n + "x".repeat(10_000),
  };
  for (const [title, rename] of Object.entries(hostile))
    test(`of ${title} adds no tag, attribute or script`, () => {
      const result = example({ story: "refuted", pins: pins.concat("x/y").map(rename), rename });
      const page = readStrictly(renderHtml(result));
      expect([...page.tags].filter((t) => !own.tags.has(t))).toEqual([]);
      expect([...page.attributes].filter((a) => !own.attributes.has(a))).toEqual([]);
      expect(page.scripts).toEqual(own.scripts);
      expect(/[\u202a-\u202e\u2066-\u2069\u2028\u2029]/.test(page.text)).toBe(false);
      expect(renderTerminalSummary(result).replaceAll("\n", "")).not.toMatch(/\p{Cc}|\p{Cf}/u);
      for (const line of renderMarkdown(result)
        .split("\n")
        .filter((l) => /^\| .*strongly typed/.test(l)))
        expect(line.match(/(?<!\\)\|/g)?.length).toBe(12);
    });

  test("keeps the page small however long they are", () => {
    expect(renderHtml(example({ recorded, rename: (n) => n + "/x".repeat(5000) })).length).toBeLessThan(4e6);
  });

  test("and kinds that no version knows is shown", () => {
    const device = exampleDevice({ pins, story: "refuted" });
    const text = JSON.stringify(device)
      .replaceAll('"role":"guides"', '"role":"__proto__"')
      .replaceAll('"outcome":"moved"', '"outcome":"constructor"')
      .replaceAll('"kind":"memory"', '"kind":"toString"');
    const page = renderHtml(withDevice(JSON.parse(text) as DeviceResult));
    expect(() => readStrictly(page)).not.toThrow();
    expect(page).not.toContain("native code");
  });
});

describe("samples that could not be compared", () => {
  test("are counted with the tensor and the output, and the reason stands beside", () => {
    const reason = "the reference gives [100, 4], the candidate [97, 4] (in sample 2 of 2)";
    const some = { compared: 1, of: 2, reason };
    const device = exampleDevice({ pins });
    const engines = device.engines.map((e) => (e.role === "recommended" ? { ...e, notCompared: [{ output: "boxes", ...some }] } : e));
    const tensors = (device.tensors ?? []).map((t, i) => (i === 0 ? { ...t, coverage: some } : t));
    const result = withDevice({ ...device, engines, tensors });
    const text = textOf(result);
    expect(text).toContain(`output boxes was compared in 1 of 2 samples: ${reason}`);
    expect(text).toContain("1 compared in some of the samples only");
    const rows = rowsBehind(sectionOf(result), "Tensors that were compared in some samples only");
    expect(rows).toHaveLength(1);
    expect(rows[0]).toContain(`compared in 1 of 2 samples: ${reason}`);
    expect(textOf(withDevice(device))).not.toMatch(/some (of the )?samples|was compared in/);
  });
});

describe("figures of an engine that cannot be drawn", () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 0, 5e-324, 1.7e308])
    test(`${value} everywhere leaves no broken coordinate`, () => {
      const swap = (v: unknown, key: string): unknown => {
        if (typeof v === "number") return key === "marked" || key === "count" || key === "nodes" ? v : value;
        if (Array.isArray(v)) return v.map((x) => swap(x, key));
        if (typeof v === "object" && v !== null) return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, swap(x, k)]));
        return v;
      };
      const page = renderHtml(withDevice(swap(exampleDevice({ pins }), "") as DeviceResult));
      readStrictly(page);
      expect(
        page.match(/ (?:x|y|x1|x2|y1|y2|cx|cy|r|d|width|height|transform)="[^"]*(?:NaN|Infinity|undefined|null)/)?.[0],
      ).toBeUndefined();
    });
});

describe("a tensor whose error is far beyond all others", () => {
  test("leaves the charts to the others, and is told of", () => {
    const device = exampleDevice({ pins });
    const circles = (d: DeviceResult) => sectionOf(withDevice(d)).match(/<circle/g)?.length ?? 0;
    const [first, ...others] = device.tensors ?? [];
    if (first?.predicted === undefined) return expect.unreachable("the example has tensors");
    const huge = {
      ...first,
      measured: { ...first.measured, sumAbs: 1e37 * first.measured.count },
      predicted: { ...first.predicted, meanAbs: 1e37 },
    };
    const changed = { ...device, tensors: [huge, ...others] };
    expect(circles(device) - circles(changed)).toBe(2);
    expect(textOf(withDevice(changed))).toMatch(/Not in the charts: 1 tensor with mean errors from [\d.]+e\+37 on/);
    expect(textOf(withDevice(device))).not.toContain("Not in the charts");
  });
});
