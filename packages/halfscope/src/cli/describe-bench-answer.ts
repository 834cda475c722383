import type { BenchDocument } from "@halfscope/core";
import { bestBatch, bestContexts, judgedAgainst, referenceWords, speedOverReference } from "@halfscope/report";
import { servedPoints } from "../pipeline/bench-outcome.js";
import { factor, several, shapeOf } from "./describe-bench-words.js";
import { given, number, quote, safe } from "./text.js";

/** The verdict, what it is not about, and what batches, contexts and the candidate buy. */
export function benchAnswer(d: BenchDocument): string {
  const lines = [...restrictions(d), ...verdictLines(d), ...gains(d)];
  return lines.map((line) => quote(line, 0)).join("\n");
}

/** What the verdict is not about, before the verdict. */
function restrictions(d: BenchDocument): string[] {
  const { stopped, verdict } = d;
  const { asked, failed, notServed } = servedPoints(d);
  const of = `of ${asked} ${asked === 1 ? "batch size and shape" : "batch sizes and shapes"}`;
  return [
    ...(verdict.notRealHalf === undefined ? [] : [`NOT REAL FP16: ${verdict.notRealHalf} Only batching is judged.`]),
    ...(stopped === undefined
      ? []
      : [
          `STOPPED before the end: ${stopped.comparisons.join(" of ")} comparisons, times of ${stopped.points.join(" of ")} points, ${stopped.rounds.join(" of ")} rounds.`,
        ]),
    ...(failed > 0 ? [`FAILED: ${failed} ${of}; what follows is about the others.`] : []),
    ...(notServed > 0 ? [`NOT SERVED: ${notServed} ${of}${failed > 0 ? "" : "; what follows is about the others"}.`] : []),
  ];
}

function verdictLines(d: BenchDocument): string[] {
  const { verdict: v, batching, comparisons } = d;
  const where = v.worst === undefined ? "" : `, at batch ${v.worst.batch}${shapeOf(v.worst.shape)}, output "${safe(v.worst.output)}"`;
  const single = judgedAgainst(d) === "single";
  const expected = single ? "the same sent singly" : referenceWords(d);
  const same = v.batched?.bitIdentical === true;
  const lines: string[] = [];
  const tolerance = `${v.notRealHalf === undefined ? "" : "Batching is "}${v.outcome === "not-within" ? "NOT WITHIN" : "WITHIN"} tolerance`;
  if (v.outcome === "not-judged") lines.push(`Not judged: ${whyNotJudged(d)}`);
  else if (v.outcome === "not-finite") lines.push(`NOT FINITE: an output cannot be compared with ${expected}${where}.`);
  else if (v.error === 0)
    lines.push(
      single && same
        ? `${tolerance}: every batched request gives the bits of the same request sent singly.`
        : `${tolerance}: requests are equal to ${expected}.`,
    );
  else
    lines.push(
      `${tolerance}: requests are off ${expected} by ${number(v.error)} at most (relative L2, tolerance ${given(v.tolerance)})${where}.`,
    );
  if (batching.kind !== "dynamic") lines.push("The model takes one request at a time: there are no batches to compare.");
  else if (same && !(single && v.error === 0)) lines.push("Every batched request gives the bits of the same request sent singly.");
  else if (v.batched !== undefined && !same && !single)
    lines.push(
      `A batched request differs from the same sent singly by ${number(v.batched.maxAbs)} at most (relative L2 ${number(v.batched.relativeL2)}).`,
    );
  if (v.mixes)
    lines.push(
      "REQUESTS MIX: a request's result changes with the requests beside it. Something in the model works across the batch axis, such as a normalization.",
    );
  if (v.notRealHalf !== undefined)
    lines.push(
      "Not judged: what FP16 loses against FP32. `halfscope verify` emulates it; --engine tensorrt and --engine ort-cuda measure it on a GPU.",
    );
  if (comparisons.some((c) => c.referenceRefusal !== undefined) && v.outcome !== "not-judged")
    lines.push("Not judged: what the reference was not served for.");
  return lines;
}

function whyNotJudged({ comparisons, verdict }: BenchDocument): string {
  if (comparisons.every((c) => c.refusal !== undefined)) return "nothing was served.";
  if (comparisons.some((c) => c.referenceRefusal !== undefined))
    return "the reference was not served, so there is nothing to hold requests against.";
  if (verdict.worst !== undefined)
    return verdict.error === 0
      ? "no batch was compared. Single requests that are sent again give the same values."
      : `no batch was compared. Single requests that are sent again differ by ${number(verdict.error)} (relative L2).`;
  if (comparisons.every((c) => c.refusal !== undefined || (c.single === undefined && c.reference === undefined)))
    return "no single request was served, so there is nothing to hold batches against.";
  return "no float output could be compared.";
}

/** What batches, contexts and the candidate buy. */
function gains(d: BenchDocument): string[] {
  const lines: string[] = [];
  const speed = d.verdict.notRealHalf === undefined ? speedOverReference(d) : undefined;
  if (speed !== undefined) {
    const [least, most] = [factor(speed.least), factor(speed.most)];
    lines.push(
      `The candidate is ${least === most ? least : `${least} to ${most}`} times as fast as the reference (p50, ${several(speed.points, "point")}).`,
    );
  }
  const inShape = (shape: string) => (d.shapes.length > 1 && shape !== "as declared" ? ` (${safe(shape)})` : "");
  const batch = bestBatch(d);
  if (batch !== undefined)
    lines.push(
      batch.throughput > 1.05 * batch.single
        ? `Batches of ${batch.batch}${inShape(batch.shape)} serve ${factor(batch.throughput / batch.single)} times as many requests per second as single calls; each caller waits ${factor(batch.wait)} times as long.`
        : "No batch serves more requests per second than single calls do.",
    );
  const contexts = bestContexts(d);
  if (contexts !== undefined)
    lines.push(
      contexts.throughput > 1.05 * contexts.single
        ? `At batch ${contexts.batch}${inShape(contexts.shape)}, ${contexts.contexts} contexts serve ${factor(contexts.throughput / contexts.single)} times as many as one.`
        : "Several contexts serve no more requests per second than one.",
    );
  return lines;
}
