import type { Judgement, OutputFigures } from "@halfscope/core";
import { clip, number, percent, safe } from "./text.js";

/** What the tolerance judges where it is not relative L2 of whole outputs, a line each. */
export function describeJudgement(j: Judgement | undefined): string[] {
  const lines: string[] = [];
  if (j?.figure === "metric") lines.push(`The tolerance judges what ${safe(j.metric?.path ?? "the metric")} gives.`);
  if (j?.padding !== undefined)
    lines.push(
      j.padding.kept
        ? "Padded positions are judged like all others."
        : `Padded positions are left out: ${j.padding.masks.map((m) => `${safe(m.input)} hides ${m.leftOut} of ${m.of} of ${m.outputs.map(safe).join(", ")}`).join("; ")}.`,
    );
  return lines.map(clip);
}

/** Each output by every figure, a line each. */
export const describeFigures = (figures: Readonly<Record<string, OutputFigures>> | undefined): string[] =>
  Object.entries(figures ?? {}).map(([name, f]) => {
    const classes =
      f.classes === undefined
        ? ""
        : `, same class in ${percent(f.classes.top1Agreement)} of ${f.classes.rows}, divergence ${number(f.classes.klDivergence)}`;
    const cosine = Number.isFinite(f.cosine) ? `, cosine ${f.cosine.toFixed(6)}` : "";
    return clip(
      `Output ${safe(name)}: largest ${number(f.maxAbs)}, mean ${number(f.meanAbs)}, relative L2 ${number(f.relativeL2)}${cosine}${classes}.`,
    );
  });
