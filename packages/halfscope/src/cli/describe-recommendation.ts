import {
  goalWords,
  halfWords,
  judgedWords,
  minimalWords,
  type Recommendation,
  type ResultDocument,
  type Verdict,
  wordOf,
} from "@halfscope/core";
import { describeFigures, describeJudgement } from "./describe-outputs.js";
import { table } from "./table.js";
import { clip, given, number, percent, safe, wrap } from "./text.js";

/** What `recommend` prints for people. */
export function describeRecommendation(result: ResultDocument): string {
  const r = result.recommendation;
  if (r === undefined) return "No recommendation was made.";
  const head =
    r.goal !== undefined
      ? `Lowest error found with at most ${goalWords(r.goal)}: ${number(r.measuredError)} relative L2, with ${r.pins.length} ${r.pins.length === 1 ? "pin" : "pins"}.`
      : r.outcome === "no-pins-needed"
        ? `${wordOf(result)} is fine: ${number(r.measuredError)} relative L2 at a tolerance of ${given(r.tolerance)}. No pins needed.`
        : r.outcome === "pins-found"
          ? `${r.pins.length} ${r.pins.length === 1 ? "layer" : "layers"} in FP32 bring the error to ${number(r.measuredError)} relative L2 (tolerance ${given(r.tolerance)}).`
          : `No set of pins met the tolerance of ${given(r.tolerance)}: the best has ${number(r.measuredError)}.`;
  const lines = [head];
  if (r.heldBackError !== undefined) lines.push(`On samples they were not chosen on: ${number(r.heldBackError)}.`);
  const minimal = minimalWords(r.minimal);
  if (minimal !== undefined) lines.push(minimal);
  lines.push(...judgedWords(r, number).map((w) => wrap(w, 120)));
  if (r.pins.length > 0)
    lines.push(
      "",
      table(
        ["pin", "why"],
        r.pins.map((p) => [p.layer, p.reason]),
        { sentences: 1 },
      ),
    );
  if (r.suggestions.length > 0)
    lines.push(
      "",
      "What the usual advice is worth here, measured:",
      table(
        ["rule", "layers", "error\nwithout", "with", "FP32\nwork", "verdict"],
        r.suggestions.map((s) => [s.rule, s.layers.length, number(s.errorWithout), number(s.errorWith), percent(s.fp32Share), s.verdict]),
        { numeric: [1, 2, 3, 4], sentences: 5 },
      ),
    );
  if (r.like !== undefined)
    lines.push("", wrap(`Pins like ${clip(safe(r.like.given))} (${r.like.layers.length} layers): ${clip(safe(r.like.verdict))}`, 120));
  lines.push(...describeFront(r));
  return lines.join("\n");
}

const pointsShown = 12;

/** The measured front, thinned out where it is long. */
function describeFront(r: Recommendation): string[] {
  const front = (r.front ?? []).flatMap((i) => r.trials[i] ?? []);
  if (front.length < 2) return [];
  const pins = new Set(r.pins.map((p) => p.layer));
  const isChosen = (t: Recommendation["trials"][number]) => t.pins.length === pins.size && t.pins.every((p) => pins.has(p));
  const step = Math.max(1, Math.ceil(front.length / pointsShown));
  const shown = front.filter((t, i) => i % step === 0 || i === front.length - 1 || isChosen(t));
  const unknown = r.cost?.layersOfUnknownSize ?? 0;
  return [
    "",
    `What error costs, measured (${front.length} sets that no other of the ${r.trials.length} tried beats${shown.length < front.length ? `, ${shown.length} of them shown` : ""}):`,
    table(
      ["pins", "FP32\nwork", "Casts", "predicted", "measured", ""],
      shown.map((t) => [
        t.pins.length,
        percent(t.fp32Share),
        t.casts ?? "-",
        number(t.predictedError),
        number(t.nonFinite ? Number.POSITIVE_INFINITY : t.measuredError),
        isChosen(t) ? "recommended" : "",
      ]),
      { numeric: [0, 1, 2, 3, 4] },
    ),
    ...(unknown > 0 ? [`Sizes in ${unknown} layers are not known: their work is counted with what is.`] : []),
  ];
}

/** What `verify` prints for people. */
export function describeVerdict(v: Verdict): string {
  const word = { within: "WITHIN the tolerance", "not-within": "NOT within the tolerance", "not-finite": "NOT FINITE" }[v.outcome];
  return [
    `${word}: ${v.judgement?.figure === "metric" ? safe(v.judgement.metric?.path ?? "metric") : "relative L2"} ${number(v.error)} (tolerance ${given(v.tolerance)}), largest difference ${number(v.maxAbs)}, worst of ${v.samples} sample${v.samples > 1 ? "s" : ""}.`,
    table(
      ["output", "relative L2", "max", "NaN", "Inf", "overflowed"],
      Object.entries(v.outputs).map(([name, s]) => [
        name,
        number(s.sumSquaredReference > 0 ? Math.sqrt(s.sumSquaredError / s.sumSquaredReference) : 0),
        number(s.maxAbs),
        s.nanCandidate,
        s.infCandidate,
        s.overflowed,
      ]),
      { numeric: [1, 2, 3, 4, 5] },
    ),
    ...describeJudgement(v.judgement),
    ...describeFigures(v.figures),
    `${v.sitesOn} tensors are rounded, ${v.halfWeights} weights are ${(v.types ?? ["float16"]).map((t) => halfWords[t]).join(" or ")}, ${v.casts} Casts.`,
    ...describeMapping(v),
    ...describeLosses(v),
  ].join("\n");
}

const named = 3;

/** Which tensors of the candidate have no counterpart in the original. */
function describeMapping(v: Verdict): string[] {
  if (v.unmappedTensors === 0) return [];
  const some = (v.unmapped ?? []).slice(0, named).map((t) => `"${clip(safe(t))}"`);
  const more = v.unmappedTensors > some.length && some.length > 0 ? ", ..." : "";
  const which = some.length === 0 ? "" : ` (${some.join(", ")}${more})`;
  return [
    wrap(`${v.unmappedTensors} of ${v.mappedTensors + v.unmappedTensors} float tensors have no counterpart in the original${which}.`, 120),
  ];
}

const listed = 20;

/** Where a converted model loses precision. */
function describeLosses(v: Verdict): string[] {
  if (v.layers === undefined) return [];
  const origins = (v.origins ?? []).map((o) => wrap(`${o.kind} at "${clip(safe(o.tensor))}": ${clip(safe(o.evidence))}`, 120));
  return [
    ...(origins.length > 0 ? ["", "Where it overflows first:", ...origins] : []),
    "",
    `Where it loses precision (accumulated, first sample), ${v.layers.length > listed ? `the ${listed} worst of ${v.layers.length} layers` : "worst first"}:`,
    table(
      ["layer", "tensor", "relative L2", "mean", "max", "NaN", "overflowed"],
      v.layers
        .slice(0, listed)
        .map(({ layer, accumulated: e }) => [
          layer,
          e.tensor,
          number(e.nonFiniteMismatch > 0 ? Number.POSITIVE_INFINITY : e.relativeL2),
          number(e.meanAbs),
          number(e.maxAbs),
          e.nan,
          e.overflowed,
        ]),
      { names: [0, 1], numeric: [2, 3, 4, 5, 6] },
    ),
  ];
}
