import type { BenchComparison, BenchDocument } from "@halfscope/core";
import { type BatchSeries, differenceChart } from "../charts/batches.js";
import { nameOf, number, numberCell } from "../format.js";
import { html, type Markup } from "../markup.js";
import { numeric, quoted, type Section, table, text } from "../sections/section.js";
import { judgedAgainst, mostRows, referenceWords, refusalCell, sameness, shapeWord } from "./words.js";

/** What batching does to the numbers. */
export function numbersSection(d: BenchDocument): Section {
  const judged = judgedAgainst(d) === "reference";
  const rows = d.comparisons.slice(0, mostRows).map((c) => row(c, judged));
  const head = [
    text("shape"),
    numeric("batch"),
    text("against single", "batch 1: the same single request twice, which tells what the engine repeats"),
    numeric("max difference"),
    numeric("mean difference"),
    numeric("relative L2"),
    ...(judged ? [numeric(`relative L2 against ${referenceShort(d)}`, "worst output of the worst request")] : []),
    text("other neighbours", "the same request in the same place of the batch, beside other requests"),
  ];
  return {
    id: "numbers",
    title: "Do batched requests give the same results?",
    intro: html`Larger batches may run other kernels, which sum in another order: differences in the last digits. With the same kernels a request must not notice its neighbours at all; where it does, something in the model works across the batch.`,
    body: html`${d.verdict.notRealHalf !== undefined && html`<p class="note alarm"><strong>Not judged: the served FP16 against FP32, which this engine does not compute in FP16.</strong></p>`}${differenceChart(series(d, judged), d.verdict.tolerance)}${table(head, rows)}${atOnce(d)}${notCompared(d)}`,
  };
}

const referenceShort = (d: BenchDocument): string => (referenceWords(d) === "the FP32 reference" ? "FP32" : "the reference");

function atOnce({ comparisons, options }: BenchDocument): Markup | false {
  const all = comparisons.flatMap((c) => c.atOnce ?? []);
  const same = all.every((x) => x.bitIdentical);
  const words = same
    ? "they give the bits of those sent one after the other"
    : html`<strong class="alarm">they differ from those sent one after the other</strong>`;
  return all.length > 0 && html`<p>Single requests sent ${Math.max(...options.contexts)} at once: ${words}.</p>`;
}

function row(c: BenchComparison, judged: boolean): Markup {
  const head = html`<td>${shapeWord(c.shape)}</td>${numberCell(c.batch)}`;
  if (c.refusal !== undefined) return html`<tr>${head}${refusalCell(c.refusal, judged ? 6 : 5)}</tr>`;
  const { single, reference, neighbours } = c;
  return html`<tr>${head}${sameness(single)}${numberCell(single?.maxAbs)}${numberCell(single?.meanAbs)}${numberCell(single?.relativeL2)}${judged && (c.referenceRefusal === undefined ? numberCell(reference?.relativeL2) : refusalCell(c.referenceRefusal, 1))}${sameness(neighbours)}</tr>`;
}

function series(d: BenchDocument, judged: boolean): BatchSeries[] {
  return d.shapes.flatMap(({ name }, tone) => {
    const of = d.comparisons.filter((c) => c.shape === name && c.refusal === undefined);
    const lines: BatchSeries[] = [
      {
        label: `against single${d.shapes.length > 1 ? `, ${shapeWord(name)}` : ""}`,
        ...{ tone, mark: 0, dashed: false },
        points: of.map((c) => ({ batch: c.batch, value: c.single?.relativeL2, title: `${number(c.single?.relativeL2)} against single` })),
      },
      {
        label: `against ${referenceShort(d)}${d.shapes.length > 1 ? `, ${shapeWord(name)}` : ""}`,
        ...{ tone, mark: 1, dashed: true },
        points: of.map((c) => ({
          batch: c.batch,
          value: c.reference?.relativeL2,
          title: `${number(c.reference?.relativeL2)} against FP32`,
        })),
      },
    ];
    return judged ? lines : lines.slice(0, 1);
  });
}

function notCompared(d: BenchDocument): Markup | false {
  const reasons = new Map<string, string>();
  for (const c of d.comparisons)
    for (const x of [c.single, c.reference]) for (const n of x?.notCompared ?? []) reasons.set(n.output, reasons.get(n.output) ?? n.reason);
  return (
    reasons.size > 0 &&
    html`<h3>Not compared</h3>${table(
      [text("output"), text("reason")],
      [...reasons]
        .slice(0, mostRows)
        .map(([output, reason]) => html`<tr><td>${nameOf(output, 64)}</td><td class="prose">${quoted(reason)}</td></tr>`),
    )}`
  );
}
