import { finitePairs, meanAbs, relativeL2 } from "@halfscope/core";
import { answerOf } from "../answer.js";
import { type RulerMark, rulerChart } from "../charts/ruler.js";
import { breakable, count, exactly, nameOf, numberCell, percent, plural } from "../format.js";
import { html, type Markup, nothing } from "../markup.js";
import { type CandidateError, meets, rangeEnd, type View } from "../view.js";
import { numeric, quoted, type Section, table, text } from "./section.js";

export function verdictSection(v: View): Section {
  const answer = answerOf(v);
  return {
    id: "verdict",
    title: `Does ${v.word} work here?`,
    intro: html`A candidate passes when every final output stays finite and its relative L2 error against FP32 (the length of the difference over the length of the reference; 0.01 is one percent) is at most the tolerance, here ${exactly(v.tolerance)}.`,
    body: html`<div class="answer answer-${answer.kind}"><p class="headline">${answer.headline}</p><p>${answer.detail}</p>${answer.alarm !== undefined && html`<p class="note alarm"><strong>${answer.alarm}</strong></p>`}${answer.engine !== undefined && html`<p class="note${answer.engine.loud && " alarm"}">${answer.engine.loud ? html`<strong>${breakable(answer.engine.text)}</strong>` : breakable(answer.engine.text)} <a href="#engine">More</a></p>`}${answer.notes.map((n) => html`<p class="note">${quoted(n)}</p>`)}${answer.next !== undefined && html`<p class="note">Next: <code>${answer.next}</code></p>`}</div>${candidates(v)}${outputs(v)}`,
  };
}

function candidates(v: View): Markup {
  const pins = v.pins.size;
  const list: { label: string; help: string; c: CandidateError | undefined; chosen: boolean }[] = [
    {
      label: `every layer in ${v.word}, plain cast`,
      help: `Constants beyond ${rangeEnd[v.word]} become infinite, as a plain conversion writes them; first sample.`,
      c: v.plain,
      chosen: false,
    },
    {
      label: `every layer in ${v.word}, finite constants`,
      help: `Constants beyond ${rangeEnd[v.word]} are written as ${rangeEnd[v.word]}, as halfscope apply does.`,
      c: v.finite,
      chosen: false,
    },
    {
      label: pins === 0 ? "as written, no pins" : `mixed, ${plural(pins, "layer")} in FP32`,
      help: v.result.verdict === undefined ? "The recommended plan, emulated." : "The written file, verified.",
      c: v.mixed,
      chosen: true,
    },
  ];
  const known = list.flatMap((l) => (l.c === undefined ? [] : [{ ...l, c: l.c }]));
  if (known.length === 0) return nothing;
  const marks: RulerMark[] = known.map((k) => ({
    label: k.label,
    error: k.c.error,
    nonFinite: k.c.nonFinite || !Number.isFinite(k.c.error),
    chosen: k.chosen,
  }));
  const rows = known.map(
    (k) =>
      html`<tr><td title="${k.help}">${k.label}</td><td>${k.c.nonFinite ? html`<strong class="alarm">not finite</strong>` : meets(k.c, v.tolerance) ? html`<strong class="good">within</strong>` : html`<strong class="alarm">not within</strong>`}</td>${ofFinite(!k.c.nonFinite, k.c.error, k.c.maxAbs)}${numberCell(k.c.fp32Share, percent(k.c.fp32Share))}</tr>`,
  );
  return html`${rulerChart(marks, v.tolerance)}${table([text("candidate"), text("verdict"), numeric("relative L2"), numeric("largest difference"), numeric("work in FP32")], rows)}`;
}

function outputs(v: View): Markup {
  const { verdict, accumulated } = v.result;
  const all = Object.entries(verdict?.outputs ?? accumulated?.outputs ?? {});
  if (all.length === 0) return nothing;
  const whose = verdict !== undefined ? `the written file, ${plural(verdict.samples, "sample")}` : `every layer in ${v.word}, plain cast`;
  const rows = all.map(([name, s]) => {
    const range = `${numberText(s.minReference)} … ${numberText(s.maxReferenceValue)}`;
    return html`<tr><td>${nameOf(name)}</td>${ofFinite(finitePairs(s) > 0, relativeL2(s), s.maxAbs, meanAbs(s))}<td class="n">${range}</td>${numberCell(s.nonFiniteMismatch, count(s.nonFiniteMismatch))}${numberCell(s.count, count(s.count))}</tr>`;
  });
  return html`<details><summary>Final outputs one by one (${whose})</summary>${table([text("output"), numeric("relative L2"), numeric("largest difference"), numeric("mean difference"), numeric("range of the reference"), numeric("not comparable", "NaN, or infinite on one side only"), numeric("elements")], rows)}</details>`;
}

/** Sums over the finite pairs say nothing where there are none. */
const ofFinite = (some: boolean, ...values: readonly (number | undefined)[]): Markup =>
  html`${values.map((x) => numberCell(some ? x : undefined))}`;

const numberText = (x: number): string => String(Number(x.toPrecision(3)));
