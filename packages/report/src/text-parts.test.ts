import { describe, expect, test } from "vitest";
import { count, number, numberCell, percent, seconds, timesSmaller } from "./format.js";
import { html } from "./markup.js";
import { shellWord, shorten, shortName, visible } from "./names.js";

describe("number", () => {
  test.each([
    [0.01, "0.01"],
    [0.0071023, "0.00710"],
    [0.00012345, "1.23e-4"],
    [1e-4, "1e-4"],
    [1234.5, "1230"],
    [65504, "65500"],
    [-3.4e38, "-3.4e+38"],
    [0, "0"],
    [-0, "0"],
    [9.999, "10.00"],
    [Number.NaN, "NaN"],
    [Number.POSITIVE_INFINITY, "Inf"],
    [Number.NEGATIVE_INFINITY, "-Inf"],
    [undefined, "–"],
  ])("writes %s as %s", (x, text) => {
    expect(number(x)).toBe(text === "10.00" ? "10.0" : text);
  });

  test("keeps the exact value in the tooltip of a cell", () => {
    expect(numberCell(0.0071023).text).toBe('<td class="n" title="0.0071023">0.00710</td>');
    expect(numberCell(0.01).text).toBe('<td class="n">0.01</td>');
  });
});

test("counts, shares and times read as people write them", () => {
  expect(count(1217)).toBe("1,217");
  expect(percent(0.0021)).toBe("0.21 %");
  expect(percent(0.424)).toBe("42 %");
  expect(percent(Number.NaN)).toBe("NaN");
  expect(seconds(251)).toBe("4 min 11 s");
  expect(seconds(7300)).toBe("2 h 2 min");
  expect(timesSmaller(0.02, 0.01)).toBe("2 times smaller");
  expect(timesSmaller(0.01, 0.02)).toBe("2 times larger");
});

describe("html", () => {
  test("escapes values and keeps markup", () => {
    const inner = html`<b>${"<&\"'>"}</b>`;
    expect(html`<i title="${'"x"'}">${inner}${["a", 1, undefined, false]}</i>`.text).toBe(
      '<i title="&quot;x&quot;"><b>&lt;&amp;&quot;&#39;&gt;</b>a1</i>',
    );
  });
});

describe("names", () => {
  test("show control characters, overrides and lone surrogates by their codes", () => {
    expect(visible("a\u0000\u202e\u2028\ud800\u{e0041}b")).toBe("a\\u0000\\u202e\\u2028\\ud800\\u{e0041}b");
  });
  test("of other scripts stay as they are", () => {
    expect(visible("注意力/слой.3/שכבה/é")).toBe("注意力/слой.3/שכבה/é");
  });
  test("lose their middle when they are long, and no half of a pair", () => {
    expect(shorten("abcdefghij", 5)).toBe("ab…ij");
    expect(shortName("😀".repeat(10_000), 5)).toBe("😀😀…😀😀");
    expect(shortName("\u202e".repeat(10_000)).length).toBeLessThanOrEqual(96);
  });
  test("are quoted for a shell only where needed", () => {
    expect(shellWord("models/a-b_1.onnx")).toBe("models/a-b_1.onnx");
    expect(shellWord("it's $(x)")).toBe("'it'\\''s $(x)'");
  });
});
