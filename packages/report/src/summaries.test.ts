import { describe, expect, test } from "vitest";
import { code, escapeMarkdown, renderMarkdown } from "./markdown.js";
import { renderTerminalSummary } from "./terminal.js";
import { exampleResult } from "./testing/example-result.js";

describe("the Markdown summary", () => {
  test("is short and starts with the answer", () => {
    const text = renderMarkdown(exampleResult());
    expect(text.split("\n").length).toBeLessThan(60);
    expect(text).toMatch(/^# FP16 precision of `models\/bert-large\.onnx`\n\n\*\*Yes, with \d+ of \d+ layers in FP32\.\*\*/);
    expect(text).toContain("**silent overflow** in `bert/encoder/layer.8/output/LayerNorm`");
  });

  test("keeps hostile names in their code spans and rows", () => {
    const text = renderMarkdown(exampleResult({ blocks: 1, rename: (n) => `\`|${n}\n# x\`\`` }));
    for (const line of text.split("\n").filter((l) => l.startsWith("| `"))) expect(line.match(/(?<!\\)\|/g)?.length).toBe(6);
    expect(text).not.toMatch(/^# x/m);
  });

  test("fences a name with more backticks than it holds", () => {
    expect(code("a``b")).toBe("``` a``b ```");
    expect(code("plain")).toBe("`plain`");
  });

  test("escapes what Markdown and HTML would read", () => {
    expect(escapeMarkdown("<b>*x*</b> [y](http://z) |")).toBe("\\<b\\>\\*x\\*\\</b\\> \\[y\\](http\\://z) \\|");
  });
});

describe("the terminal summary", () => {
  test("says the answer first and fits a screen", () => {
    const lines = renderTerminalSummary(exampleResult()).split("\n");
    expect(lines[0]).toMatch(/^Yes, with/);
    expect(lines.length).toBeLessThan(40);
  });

  test("lets no control character of a name through", () => {
    const text = renderTerminalSummary(exampleResult({ blocks: 1, rename: (n) => `\u001b[31m\u009b${n}\u202e\r` }));
    expect(text.replaceAll("\n", "")).not.toMatch(/\p{Cc}|\p{Cf}/u);
  });

  test("names the next command when nothing was measured", () => {
    expect(renderTerminalSummary(exampleResult({ upTo: "inspected" }))).toContain(
      "Next: halfscope debug models/bert-large.onnx -o results",
    );
  });
});
