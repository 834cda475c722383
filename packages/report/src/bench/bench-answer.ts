import type { BenchDocument } from "@halfscope/core";
import { exactly, nameOf } from "../format.js";
import { html, type Markup, type Renderable } from "../markup.js";
import { quoted, type Section } from "../sections/section.js";
import { inShape } from "./words.js";

/** The verdict, and what batches buy at most. */
export function benchAnswer(d: BenchDocument): Section {
  const { verdict: v } = d;
  const kind = v.outcome === "within" ? (v.mixes ? "mixed" : "yes") : v.outcome === "not-judged" ? "unknown" : "no";
  return {
    id: "verdict",
    title: "Can requests be served in batches?",
    intro: html`Each request is sent alone and in batches, and alone to the FP32 reference on the same engine. A batch passes when every output of each of its requests stays finite and within a relative L2 of ${exactly(v.tolerance)} of the reference.`,
    body: html`<div class="answer answer-${kind}"><p class="headline">${headline(d)}</p>${v.mixes && html`<p class="note alarm"><strong>Requests mix: a request's result changes with the requests beside it in the batch. Something in the model works across the batch axis, such as a normalization or a maximum over it.</strong></p>`}${details(d).map((p) => html`<p>${p}</p>`)}${d.warnings.map((w) => html`<p class="note">${quoted(w)}</p>`)}</div>`,
  };
}

function headline({ verdict: v, batching, comparisons }: BenchDocument): string {
  const batched = comparisons.some((c) => c.batch > 1 && c.refusal === undefined);
  if (v.outcome === "not-judged") return "Not judged: no float output could be compared.";
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

function details(d: BenchDocument): Renderable[] {
  const { verdict: v } = d;
  const judged = d.engines.some((e) => e.role === "candidate");
  const lines: Renderable[] = [];
  if (v.worst !== undefined && v.outcome !== "not-finite" && v.error > 0)
    lines.push(
      html`Against ${judged ? "the FP32 reference" : "single requests"} the worst is ${exactly(v.error)}: request ${v.worst.request + 1} in a batch of ${v.worst.batch}${inShape(d, v.worst.shape)}, output ${nameOf(v.worst.output, 64)}.`,
    );
  if (v.worst !== undefined && v.outcome === "not-finite")
    lines.push(
      html`First seen in a batch of ${v.worst.batch}${inShape(d, v.worst.shape)}, request ${v.worst.request + 1}, output ${nameOf(v.worst.output, 64)}.`,
    );
  if (v.batched !== undefined && !v.batched.bitIdentical)
    lines.push(
      html`A batched request differs from the same sent singly by ${exactly(v.batched.maxAbs)} at most (relative L2 ${exactly(v.batched.relativeL2)}).`,
    );
  const gain = bestGain(d);
  if (gain !== undefined) lines.push(gain);
  return lines;
}

/** What a batch buys at most, against single requests with the same engine, shape and contexts. */
function bestGain(d: BenchDocument): Markup | undefined {
  const role = d.engines.some((e) => e.role === "candidate") ? "candidate" : "reference";
  let best: { factor: number; batch: number; latency: number; shape: string } | undefined;
  for (const p of d.points) {
    const single = d.points.find((q) => q.role === role && q.batch === 1 && q.shape === p.shape && q.contexts === p.contexts);
    if (
      p.role !== role ||
      p.batch === 1 ||
      single?.throughput === undefined ||
      p.throughput === undefined ||
      single.latency === undefined ||
      p.latency === undefined
    )
      continue;
    const factor = p.throughput / single.throughput;
    if (best === undefined || factor > best.factor)
      best = { factor, batch: p.batch, latency: p.latency.p50 / single.latency.p50, shape: p.shape };
  }
  if (best === undefined) return undefined;
  const times = (x: number) => Number(x.toPrecision(2));
  return best.factor > 1.05
    ? html`Batches of ${best.batch}${inShape(d, best.shape)} serve ${times(best.factor)} times as many requests per second as single calls, and each caller waits ${times(best.latency)} times as long.`
    : html`No batch serves more requests per second than single calls do: on this machine batching only makes callers wait.`;
}
