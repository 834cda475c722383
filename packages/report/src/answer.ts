import { goalWords, outputBand } from "@halfscope/core";
import { deviceLine } from "./device/device-answer.js";
import { outcomeOf } from "./device/device-view.js";
import { count, number, percent, plural, timesSmaller } from "./format.js";
import { allHalfOf, type CandidateError, meets, rangeEnd, type View } from "./view.js";

/** The verdict in words, for every form of the report. */
export interface Answer {
  /** yes: FP16 as it is; mixed: FP16 with pins; no: the tolerance is not met; unknown: not measured far enough. */
  kind: "yes" | "mixed" | "no" | "unknown";
  /** A few words. */
  headline: string;
  /** One or two sentences with the numbers. */
  detail: string;
  /** Louder than the rest: silent overflows. */
  alarm: string | undefined;
  /** What a real engine said, where one was asked; loud where it contradicts or leaves something out. */
  engine: { text: string; loud: boolean } | undefined;
  /** What to know besides, one sentence each. */
  notes: readonly string[];
  /** The command that would bring the answer further. */
  next: string | undefined;
}

export function answerOf(v: View): Answer {
  const predicted = judge(v);
  const refuted = (predicted.kind === "yes" || predicted.kind === "mixed") && failsOnEngine(v);
  return {
    ...predicted,
    // What was measured on the engine outweighs what was predicted of it.
    ...(refuted && { kind: "no", headline: "Predicted to work, but it does not on the engine." }),
    alarm: alarmOf(v),
    engine: v.engine && deviceLine(v.engine, v.word),
  };
}

/** The engine with the pins that the answer is about was measured, in real FP16, and does not meet the tolerance, or cannot be had at all. */
function failsOnEngine({ engine, pins }: View): boolean {
  const built = engine?.recommended ?? (pins.size === 0 ? engine?.allHalf : undefined);
  if (engine === undefined || built === undefined || !engine.device.environment.capabilities.realHalf) return false;
  if (built.failed !== undefined) return true;
  const outcome = outcomeOf(built, engine.tolerance);
  return outcome !== undefined && outcome !== "within";
}

type Judged = Omit<Answer, "alarm" | "engine">;

function judge(v: View): Judged {
  const { recommendation, verdict } = v.result;
  const half = allHalfOf(v);
  const notes = notesOf(v, half);
  if (half === undefined && v.mixed === undefined)
    return {
      kind: "unknown",
      headline: "Not measured yet.",
      detail: `The model was read: ${plural(v.result.layers.length, "layer")}. No run compared ${v.word} with FP32.`,
      notes,
      next: v.commands.debug,
    };
  if (v.mixed !== undefined && (recommendation !== undefined || verdict !== undefined)) return withMixed(v, half, v.mixed, notes);
  if (half !== undefined && meets(half, v.tolerance))
    return {
      kind: "yes",
      headline: `Yes: ${v.word} works here.`,
      detail: `With every layer in ${v.word}, ${errorPhrase(half, v.tolerance)}.`,
      notes,
      next: v.commands.debug,
    };
  return {
    kind: "no",
    headline: `Not with every layer in ${v.word}.`,
    detail: `With every layer in ${v.word}${v.finite === undefined ? " (converted by a plain cast)" : ""}, ${half === undefined ? "nothing was measured" : errorPhrase(half, v.tolerance)}. Which layers to pin is not known yet.`,
    notes,
    next: v.result.sensitivity === undefined ? v.commands.debug : v.commands.recommend,
  };
}

function withMixed(v: View, half: CandidateError | undefined, mixed: CandidateError, notes: readonly string[]): Judged {
  const pins = v.pins.size;
  const measured = v.result.verdict !== undefined ? "the written file" : "the recommended plan";
  const next = v.result.verdict === undefined ? v.commands.debug : undefined;
  const before = half === undefined ? "" : `With every layer in ${v.word}, ${errorPhrase(half, v.tolerance)}. `;
  const goal = v.result.recommendation?.goal;
  if (goal !== undefined)
    return {
      kind: mixed.nonFinite ? "no" : meets(mixed, v.tolerance) ? "mixed" : "unknown",
      headline: mixed.nonFinite
        ? `No: with at most ${goalWords(goal)} the outputs are not finite.`
        : `With at most ${goalWords(goal)}, the lowest error found is ${number(mixed.error)}.`,
      detail: `${before}With ${plural(pins, "pin")}${mixed.fp32Share === undefined ? "" : ` (${percent(mixed.fp32Share)} of the work)`}, ${errorPhrase(mixed, v.tolerance)} (${measured}).`,
      notes,
      next,
    };
  if (!meets(mixed, v.tolerance))
    return {
      kind: "no",
      headline: pins === 0 ? `No: ${v.word} does not meet the tolerance.` : "No: the pins that were found are not enough.",
      detail: `${before}With ${plural(pins, "layer")} pinned to FP32, ${errorPhrase(mixed, v.tolerance)} (${measured}).`,
      notes,
      next,
    };
  if (pins === 0)
    return {
      kind: "yes",
      headline: `Yes: ${v.word} works here, no pins needed.`,
      detail: `With every layer in ${v.word}, ${errorPhrase(mixed, v.tolerance)} (${measured}).`,
      notes,
      next,
    };
  const share = mixed.fp32Share === undefined ? "" : ` (${percent(mixed.fp32Share)} of the work)`;
  const bought = half === undefined || half.nonFinite || half.error === 0 ? "" : `; the error is ${timesSmaller(half.error, mixed.error)}`;
  return {
    kind: "mixed",
    headline: `Yes, with ${count(pins)} of ${plural(v.result.layers.length, "layer")} in FP32.`,
    detail: `${before}With ${plural(pins, "pin")}${share}, ${errorPhrase(mixed, v.tolerance)} (${measured})${bought}.`,
    notes,
    next,
  };
}

/** "the final outputs differ by 0.0213, above the tolerance of 0.01". */
function errorPhrase(c: CandidateError, tolerance: number): string {
  if (c.nonFinite) return "the final outputs are not finite";
  return `the final outputs differ by ${number(c.error)} from FP32, ${c.error <= tolerance ? "within" : "above"} the tolerance of ${number(tolerance)}`;
}

function alarmOf(v: View): string | undefined {
  const silent = v.origins.filter((o) => o.kind === "silent-overflow").length;
  if (silent === 0) return undefined;
  return `${plural(silent, "silent overflow")} in ${v.word}: values become infinite inside, and the final outputs end finite and wrong. Looking for NaN or Inf in the outputs does not show it.`;
}

function notesOf(v: View, half: CandidateError | undefined): string[] {
  const notes: string[] = [];
  if (v.plain?.nonFinite && half !== v.plain && half?.nonFinite === false)
    notes.push(
      `A plain conversion of the file gives outputs that are not finite: it writes constants beyond ${rangeEnd[v.word]} as infinite. \`halfscope apply\` keeps them finite, and that is what the figures above measure.`,
    );
  const band = v.result.accumulated && outputBand(v.result.accumulated);
  if (band !== undefined)
    notes.push(
      `Which kernels a library takes for products (sums in FP32, or in FP16 by one or several accumulators) is its own choice: with every layer in ${v.word} the final outputs may differ by ${number(band[0])} to ${number(band[1])}.`,
    );
  const swept = v.result.recommendation;
  if (swept?.heldBackError !== undefined && v.result.verdict === undefined)
    notes.push(
      `On the sample that pins were chosen on the error is ${number(swept.measuredError)}, on the others at most ${number(swept.heldBackError)}.`,
    );
  if (half !== undefined && v.result.feeds.flat().length > 0 && v.result.feeds.flat().every((f) => f.origin.startsWith("made up")))
    notes.push("The inputs were made up, not real data: measure with --feed before you rely on the figures.");
  return notes;
}
