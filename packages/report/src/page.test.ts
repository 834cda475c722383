import { createHash } from "node:crypto";
import { decodeJson, encodeJson, type ResultDocument } from "@halfscope/core";
import { describe, expect, test } from "vitest";
import { renderHtml } from "./page.js";
import { exampleResult } from "./testing/example-result.js";
import { readStrictly } from "./testing/strict-html.js";

const hostile: Readonly<Record<string, (name: string) => string>> = {
  "an image with a handler": (n) => `"><img src=x onerror=alert(1)>${n}`,
  "the end of a script": (n) => `${n}</script><script>alert(1)</script>`,
  "the end of a title and of a style": (n) => `</title></style><svg onload=alert(1)>${n}`,
  "an attribute in single quotes": (n) => `' onmouseover='alert(1)' x='${n}`,
  "line separators": (n) => `${n}\u2028\u2029\n\r\0`,
  "right-to-left overrides": (n) => `\u202e\u2066${n}\u200f`,
  "lone surrogates": (n) => `\ud800${n}\udc00`,
  "a prototype's name": (n) => (n === "logits" ? "__proto__" : n),
  "template markers": (n) => `\${${n}}{{${n}}}<!-- --><![CDATA[`,
  "10,000 characters": (n) => n + "x".repeat(10_000),
};

const own = readStrictly(renderHtml(exampleResult({ blocks: 2 })));

describe("a page with hostile names", () => {
  for (const [title, rename] of Object.entries(hostile))
    test(`of ${title} holds no tag, attribute or script but its own`, () => {
      const page = readStrictly(renderHtml(exampleResult({ blocks: 2, rename })));
      expect([...page.tags].filter((t) => !own.tags.has(t))).toEqual([]);
      expect([...page.attributes].filter((a) => !own.attributes.has(a) && a !== "title")).toEqual([]);
      expect(page.scripts).toEqual(own.scripts);
      expect(page.styles).toEqual(own.styles);
    });

  test("shows what cannot be seen as its code", () => {
    const page = renderHtml(exampleResult({ blocks: 1, rename: (n) => `\u202e${n}\u2028` }));
    expect(/[\u202a-\u202e\u2066-\u2069\u2028\u2029]/.test(page)).toBe(false);
    expect(page.includes("\\u202e")).toBe(true);
  });

  test("stays below 3 MB when every name of BERT-large has 10,000 characters", () => {
    expect(renderHtml(exampleResult({ rename: (n) => n + "/x".repeat(5_000) })).length).toBeLessThan(3e6);
  });
});

describe("a page", () => {
  const page = renderHtml(exampleResult());

  test("of BERT-large is small and the same every time", () => {
    expect(page.length).toBeLessThan(1e6);
    expect(renderHtml(exampleResult())).toBe(page);
  });

  test("is the same for a result that was saved and read again", () => {
    const result = exampleResult({ blocks: 2 });
    expect(renderHtml(decodeJson(encodeJson(result)) as ResultDocument)).toBe(renderHtml(result));
  });

  test("allows its own script and style by hash and nothing else", () => {
    const { scripts, styles, attributes } = readStrictly(page);
    const hash = (text = "") => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1]?.replaceAll("&#39;", "'");
    expect(policy).toBe(
      `default-src 'none'; style-src ${hash(styles[0])}; script-src ${hash(scripts[0])}; img-src data:; base-uri 'none'; form-action 'none'`,
    );
    expect(scripts.length).toBe(1);
    expect([...attributes].filter((a) => a.startsWith("on") || a === "style" || a === "src")).toEqual([]);
  });

  test("names nothing outside of itself", () => {
    expect([...page.matchAll(/(?:href|src)="([^"]*)"/g)].map((m) => m[1]).filter((h) => !h?.startsWith("#"))).toEqual(["data:,"]);
  });

  test("links only to ids that it has, each once", () => {
    const ids = [...page.matchAll(/ id="([^"]*)"/g)].map((m) => m[1]);
    expect(new Set(ids).size).toBe(ids.length);
    expect([...page.matchAll(/href="#([^"]*)"/g)].filter(([, id]) => !ids.includes(id))).toEqual([]);
  });

  test("answers first, and lists silent overflows before other overflows", () => {
    const body = readStrictly(page.slice(page.indexOf("<main>"), page.indexOf("<footer>"))).text;
    const order = [
      "Does FP16 work here?",
      "Yes, with",
      "silent overflow in FP16",
      "What overflows first?",
      "constant overflows",
      "Where does the error arise?",
      "Where does it grow?",
      "What does each layer cost",
      "What was pinned",
      "usual advice",
      "What could still go wrong?",
      "How was it measured?",
      "All layers",
    ];
    const places = order.map((o) => body.indexOf(o));
    expect(places.filter((p) => p < 0)).toEqual([]);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  });

  test("lists every layer", () => {
    const result = exampleResult({ blocks: 3 });
    const table = renderHtml(result).split('id="layers"')[1] ?? "";
    expect(table.match(/<tr>/g)?.length).toBe(result.layers.length + 1);
  });

  test("shows two of many hazards that are alike and folds the whole list", () => {
    const result = exampleResult({ blocks: 1 });
    const alike = Array.from({ length: 49 }, (_, i) => ({ ...result.hazards[2]!, evidence: `evidence ${i}.` }));
    const section = renderHtml({ ...result, hazards: alike }).split('id="hazards"')[1] ?? "";
    expect(section.includes("and 47 layers more with the same hazard")).toBe(true);
    expect(section.includes("All 49 hazards")).toBe(true);
    expect(section.match(/evidence \d+\./g)?.length).toBe(2 + 49);
  });

  test("draws no line of growth through blocks that end in values that are not finite", () => {
    const result = exampleResult({ blocks: 6, faults: false, upTo: "compared" });
    const line = (r: ResultDocument) => /<path class="line" d="([^"]*)"/.exec(renderHtml(r))?.[1] ?? "";
    expect(line(result).match(/M/g)?.length).toBe(1);
    const last = result.layers.findLast((l) => l.blockPath.startsWith("bert/encoder/layer.3"));
    const ranking = {
      ...result.ranking!,
      layers: result.ranking!.layers.map((l) =>
        l.layer === last?.id ? { ...l, accumulated: { ...l.accumulated!, nonFiniteMismatch: 5 } } : l,
      ),
    };
    expect(line({ ...result, ranking }).match(/M/g)?.length).toBe(2);
  });

  test("lists the loudest layers of an enormous model and says so", () => {
    const result = exampleResult({ blocks: 400, upTo: "compared" });
    const enormous = renderHtml(result);
    expect(enormous.length).toBeLessThan(3e6);
    expect(enormous.includes(`The page lists 3,000 of ${result.layers.length.toLocaleString("en-US")} layers`)).toBe(true);
  });
});

describe("a page of a result that is not complete", () => {
  test("names the command for each part that was not measured", () => {
    const inspected = renderHtml(exampleResult({ blocks: 1, upTo: "inspected" }));
    expect(inspected.includes("Not measured yet.")).toBe(true);
    expect(inspected.includes("<code>halfscope compare models/bert-large.onnx -o results</code>")).toBe(true);
    expect(inspected.includes("<code>halfscope sweep models/bert-large.onnx -o results</code>")).toBe(true);
    const swept = renderHtml(exampleResult({ blocks: 1, upTo: "swept" }));
    expect(swept.includes("<code>halfscope recommend results</code>")).toBe(true);
    expect(swept.includes("The isolated error was not measured yet")).toBe(false);
  });

  test("quotes the model's path for a shell", () => {
    const page = renderHtml(
      exampleResult({ blocks: 1, upTo: "inspected", rename: (n) => (n.endsWith(".onnx") ? "my model's; rm -rf x.onnx" : n) }),
    );
    expect(page.includes("halfscope debug &#39;my model&#39;\\&#39;&#39;s; rm -rf x.onnx&#39; -o results")).toBe(true);
  });

  for (const upTo of ["inspected", "compared", "swept", "recommended", "verified"] as const)
    test(`measured up to "${upTo}" is well formed`, () => {
      expect(() => readStrictly(renderHtml(exampleResult({ blocks: 1, upTo })))).not.toThrow();
      expect(() => readStrictly(renderHtml(exampleResult({ blocks: 1, upTo, faults: false })))).not.toThrow();
    });

  test("without layers, inputs or outputs is well formed", () => {
    const { isolated, ...result } = exampleResult({ blocks: 1, upTo: "compared" });
    const empty = { ...result, layers: [], feeds: [], ranking: { origins: [], layers: [], byKind: [], byBlock: [] } };
    expect(() => readStrictly(renderHtml(empty))).not.toThrow();
  });
});

describe("numbers that are not finite", () => {
  /** Every number of the measured parts replaced. */
  const replaced = (value: number, upTo: "swept" | "verified" = "verified"): ResultDocument => {
    const result = exampleResult({ blocks: 1, upTo });
    const swap = (v: unknown, key: string): unknown => {
      if (typeof v === "number") return ["node", "count", "maxIndex"].includes(key) ? v : value;
      if (Array.isArray(v)) return key === "nodes" || key === "exponents" ? v : v.map((x) => swap(x, key));
      if (typeof v === "object" && v !== null) return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, swap(x, k)]));
      return v;
    };
    const { isolated, accumulated, ranking, sensitivity, recommendation, verdict } = result;
    return {
      ...result,
      ...(swap({ isolated, accumulated, ranking, sensitivity, recommendation, verdict }, "") as Partial<ResultDocument>),
    };
  };

  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 5e-324, 1.7e308])
    test(`${Object.is(value, -0) ? "-0" : value} everywhere leaves no coordinate that cannot be drawn`, () => {
      const page = renderHtml(replaced(value));
      readStrictly(page);
      expect(
        page.match(/ (?:x|y|x1|x2|y1|y2|cx|cy|r|d|width|height|transform)="[^"]*(?:NaN|Infinity|undefined|null)/)?.[0],
      ).toBeUndefined();
    });

  test("are shown as such, never blank", () => {
    const nan = renderHtml(replaced(Number.NaN));
    expect(/<td class="n alarm">NaN<\/td>/.test(nan)).toBe(true);
    const inf = renderHtml(replaced(Number.POSITIVE_INFINITY));
    expect(/<td class="n alarm" title="Infinity">Inf<\/td>/.test(inf)).toBe(true);
    expect(inf.includes("not finite")).toBe(true);
  });
});
