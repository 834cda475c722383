import type { BenchDocument } from "@halfscope/core";
import { benchAnswer } from "./bench/bench-answer.js";
import { methodOfBench } from "./bench/method.js";
import { numbersSection } from "./bench/numbers.js";
import { paddingSection } from "./bench/padding.js";
import { timesSection } from "./bench/times.js";
import { bytes, nameOf, plural } from "./format.js";
import { html, type Markup } from "./markup.js";
import { shortName } from "./names.js";
import { fileName, renderPage } from "./shell.js";

/** A benchmark as one HTML page that needs nothing else. A pure function: the same document gives the same text. */
export function renderBenchHtml(d: BenchDocument): string {
  const name = fileName(d.model.path);
  const { environment: e } = d;
  return renderPage({
    title: `${shortName(name, 80)}: batches against single requests`,
    version: d.halfscope,
    over: "halfscope bench: batches against single requests",
    heading: nameOf(name, 80),
    facts: html`${bytes(d.model.sizeBytes)}; served by ${shortName(e.library, 60)} ${shortName(e.version, 40)}${e.gpu !== undefined && html` on ${shortName(e.gpu, 60)}`}; ${plural(d.shapes.length, "shape")}, batches of ${d.options.batches.join(", ")}`,
    sections: [benchAnswer(d), numbersSection(d), paddingSection(d), timesSection(d), methodOfBench(d)],
    footer,
  });
}

const footer: Markup = html`<footer><details><summary>Words on this page</summary><dl>
<dt>request</dt><dd>one input of the model as a caller sends it: one text, one image</dd>
<dt>batch</dt><dd>requests that share one call, side by side along one axis</dd>
<dt>reference</dt><dd>the model as it runs in FP32 on the same engine, each request sent singly</dd>
<dt>candidate</dt><dd>the FP16 or mixed model that is served</dd>
<dt>context</dt><dd>one of several that serve calls at the same time, each with memory and a thread of its own</dd>
<dt>relative L2</dt><dd>length of the difference over the length of what was expected: 0.01 is one percent</dd>
<dt>p50, p95, p99</dt><dd>half, 95 and 99 of a hundred calls take at most so long</dd>
<dt>variation</dt><dd>standard deviation of the times over their mean</dd>
<dt>drift</dt><dd>median of the last round over that of the first, less one</dd>
</dl></details></footer>`;
