import type { BenchDocument, BenchStopped } from "@halfscope/core";
import { exactly, nameOf } from "../format.js";
import { html, type Markup, type Renderable } from "../markup.js";
import { sentence } from "../names.js";
import { quoted, type Section } from "../sections/section.js";
import { bestBatch } from "./gains.js";
import { inShape, judgedAgainst, referenceWords } from "./words.js";

/** The verdict, and what batches buy at most. */
export function benchAnswer(d: BenchDocument): Section {
  const { verdict: v } = d;
  const served = servedWords(d);
  const whole = v.notRealHalf === undefined && d.stopped === undefined && served === undefined && !v.mixes;
  const kind = v.outcome === "within" ? (whole ? "yes" : "mixed") : v.outcome === "not-judged" ? "unknown" : "no";
  const single = judgedAgainst(d) === "single";
  return {
    id: "verdict",
    title: "Can requests be served in batches?",
    intro: html`Each request is sent alone and in batches${!single && ", and alone to the reference on the same engine"}. A batch passes when every output of each of its requests stays finite and within a relative L2 of ${exactly(v.tolerance)} of ${single ? "the same request sent alone" : "the reference"}.`,
    body: html`<div class="answer answer-${kind}">${v.notRealHalf !== undefined && html`<p class="headline alarm">Not real FP16: only batching is judged.</p><p><bdi>${sentence(v.notRealHalf)}</bdi> <code>halfscope verify</code> emulates it; a GPU (<code>--engine tensorrt</code>, <code>--engine ort-cuda</code>) measures it.</p>`}${d.stopped && html`<p class="note alarm"><strong>${stoppedWords(d.stopped)}</strong></p>`}${served !== undefined && html`<p class="note alarm"><strong>${served}</strong></p>`}<p class="headline">${headline(d)}</p>${v.mixes && html`<p class="note alarm"><strong>Requests mix: a request's result changes with the requests beside it in the batch. Something in the model works across the batch axis, such as a normalization or a maximum over it.</strong></p>`}${details(d).map((p) => html`<p>${p}</p>`)}${d.warnings.map((w) => html`<p class="note">${quoted(w)}</p>`)}</div>`,
  };
}

function headline(d: BenchDocument): string {
  const { verdict: v, batching, comparisons } = d;
  const batched = comparisons.some((c) => c.batch > 1 && c.refusal === undefined);
  if (v.outcome === "not-judged") {
    if (comparisons.every((c) => c.refusal !== undefined)) return "Not judged: nothing was served.";
    if (comparisons.some((c) => c.referenceRefusal !== undefined)) return "Not judged: the reference was not served.";
    if (v.worst !== undefined) return batching.kind === "dynamic" ? "Not judged: no batch was compared." : "One request at a time only.";
    return "Not judged: no float output could be compared.";
  }
  if (v.outcome === "not-finite") return "No: an output is not finite where the reference's is to be met.";
  if (v.outcome === "not-within")
    return batched ? "No: batched requests miss the tolerance." : "No: single requests miss the tolerance already.";
  if (batched)
    return v.batched?.bitIdentical
      ? "Yes: batched requests give the bits of single ones."
      : "Yes: batched requests are within the tolerance.";
  return batching.kind === "dynamic"
    ? "No batch was served; single requests are within the tolerance."
    : "One request at a time only, and these are within the tolerance.";
}

const stoppedWords = ({ comparisons: c, points: p, rounds: r }: BenchStopped): string =>
  `Stopped before the end: ${c[0]} of ${c[1]} comparisons, times of ${p[0]} of ${p[1]} points, ${r[0]} of ${r[1]} rounds.`;

/** How many batch sizes and shapes were not served; undefined where all were. */
function servedWords({ comparisons }: BenchDocument): string | undefined {
  const failed = comparisons.filter((c) => [c.refusal, c.referenceRefusal].some((r) => r?.kind === "failed")).length;
  const refused = comparisons.filter((c) => c.refusal?.kind === "refused").length;
  const of = `of ${comparisons.length} batch sizes and shapes`;
  const parts = [
    ...(failed > 0 ? [`${failed} ${of} failed`] : []),
    ...(refused > 0 ? [`${refused} ${of} ${refused === 1 ? "is" : "are"} not served`] : []),
  ];
  return parts.length === 0 ? undefined : `${parts.join(", ")}: what follows is about the others.`;
}

function details(d: BenchDocument): Renderable[] {
  const { verdict: v } = d;
  const judged = judgedAgainst(d) === "reference";
  const lines: Renderable[] = [];
  if (v.worst !== undefined && v.outcome !== "not-finite" && v.error > 0)
    lines.push(
      html`Against ${judged ? referenceWords(d) : "single requests"} the worst is ${exactly(v.error)}: request ${v.worst.request + 1} in a batch of ${v.worst.batch}${inShape(d, v.worst.shape)}, output ${nameOf(v.worst.output, 64)}.`,
    );
  if (v.worst !== undefined && v.outcome === "not-finite")
    lines.push(
      html`First seen in a batch of ${v.worst.batch}${inShape(d, v.worst.shape)}, request ${v.worst.request + 1}, output ${nameOf(v.worst.output, 64)}.`,
    );
  if (v.batched !== undefined && !v.batched.bitIdentical)
    lines.push(
      html`A batched request differs from the same sent singly by ${exactly(v.batched.maxAbs)} at most (relative L2 ${exactly(v.batched.relativeL2)}).`,
    );
  const gain = gainText(d);
  if (gain !== undefined) lines.push(gain);
  return lines;
}

/** What a batch buys at most, against single requests with the same engine, shape and contexts. */
function gainText(d: BenchDocument): Markup | undefined {
  const best = bestBatch(d);
  if (best === undefined) return undefined;
  const times = (x: number) => Number(x.toPrecision(2));
  const factor = best.throughput / best.single;
  return factor > 1.05
    ? html`Batches of ${best.batch}${inShape(d, best.shape)} serve ${times(factor)} times as many requests per second as single calls, and each caller waits ${times(best.wait)} times as long.`
    : html`No batch serves more requests per second than single calls do: on this machine batching only makes callers wait.`;
}
