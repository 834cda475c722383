import { halfWords, type ResultDocument, type Verdict } from "@halfscope/core";
import { wordOf } from "@halfscope/report";
import { table } from "./table.js";
import { clip, given, number, percent, safe, wrap } from "./text.js";

/** What `recommend` prints for people. */
export function describeRecommendation(result: ResultDocument): string {
  const r = result.recommendation;
  if (r === undefined) return "No recommendation was made.";
  const head =
    r.outcome === "no-pins-needed"
      ? `${wordOf(result)} is fine: ${number(r.measuredError)} relative L2 at a tolerance of ${given(r.tolerance)}. No pins needed.`
      : r.outcome === "pins-found"
        ? `${r.pins.length} layers in FP32 bring the error to ${number(r.measuredError)} relative L2 (tolerance ${given(r.tolerance)}).`
        : `No set of pins met the tolerance of ${given(r.tolerance)}: the best has ${number(r.measuredError)}.`;
  const lines = [head];
  if (r.heldBackError !== undefined) lines.push(`On a sample they were not chosen on: ${number(r.heldBackError)}.`);
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
  return lines.join("\n");
}

/** What `verify` prints for people. */
export function describeVerdict(v: Verdict): string {
  const word = { within: "WITHIN the tolerance", "not-within": "NOT within the tolerance", "not-finite": "NOT FINITE" }[v.outcome];
  return [
    `${word}: relative L2 ${number(v.error)} (tolerance ${given(v.tolerance)}), largest difference ${number(v.maxAbs)}, worst of ${v.samples} sample${v.samples > 1 ? "s" : ""}.`,
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
