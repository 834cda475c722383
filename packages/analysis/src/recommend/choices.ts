import type { Choice, FixReport } from "@halfscope/core";

export interface MeasuredPins {
  pins: readonly string[];
  /** Worst over all samples; Infinity when not finite. */
  error: number;
  fp32Share: number;
}

/**
 * Pins alone, fixes alone, and fixes with the pins still needed, each as it was measured; undefined where no fix was measured. The best is within the tolerance at the
 * least work in FP32 (of equals the one that edits least), or, where none is, the one with the smallest error.
 */
export function choicesBetween(pins: MeasuredPins, fixes: FixReport | undefined, tolerance: number): Choice[] | undefined {
  if (fixes === undefined || fixes.outcome !== "fixed" || fixes.fixes.length === 0 || fixes.allHalfAfter === undefined) return undefined;
  const rest = fixes.withPins?.needed ?? fixes.withPins;
  const plain: Omit<Choice, "best">[] = [
    {
      kind: "pins",
      ...pins,
      meets: keeps(pins.error, tolerance),
      todo:
        pins.pins.length === 0
          ? "Convert the model as it is: `halfscope apply MODEL overrides.json -o mixed.onnx` writes it without a pin."
          : "Keep the pins: `halfscope apply MODEL overrides.json -o mixed.onnx` writes them.",
    },
    {
      kind: "fixes",
      error: fixes.allHalfAfter,
      pins: [],
      fp32Share: 0,
      meets: keeps(fixes.allHalfAfter, tolerance),
      todo:
        fixes.allHalfAfter <= tolerance
          ? "Write the fixed model with `halfscope fix MODEL -o fixed.onnx`; it needs no pin."
          : "`halfscope fix MODEL -o fixed.onnx` writes the fixed model; without pins it is not enough.",
    },
  ];
  if (rest !== undefined && rest.pins.length > 0)
    plain.push({
      kind: "fixes-and-pins",
      error: rest.error,
      pins: rest.pins,
      fp32Share: rest.fp32Share ?? Number.NaN,
      meets: keeps(rest.error, tolerance),
      todo: `Write the fixed model with \`halfscope fix MODEL -o fixed.onnx\`, then run \`halfscope debug fixed.onnx\` for its pins (${rest.pins.length} here).`,
    });
  const best = plain.reduce((a, b) => (isBetter(b, a) ? b : a));
  return plain.map((c) => ({ ...c, best: c === best }));
}

const keeps = (error: number, tolerance: number): boolean => Number.isFinite(error) && error <= tolerance;

function isBetter(a: Omit<Choice, "best">, b: Omit<Choice, "best">): boolean {
  if (a.meets !== b.meets) return a.meets;
  if (!a.meets) return a.error < b.error;
  return a.fp32Share < b.fp32Share;
}
