import type { Hazard } from "@halfscope/core";
import { maxHalf, minNormalHalf } from "../half.js";
import { type Fix, type FixKind, type FixPlan, type FixSubject, type NoFix, storedFloats } from "./fix.js";

/**
 * What masks with: far enough below any score that its exponential is 0 in FP32 (exp(-104) already is), and far enough from -65504 that adding a score does not
 * pass it.
 */
export const maskValue = 1e4;

interface Rule {
  readonly kind: FixKind;
  readonly answers: (h: Hazard) => boolean;
  readonly change: (x: number) => number;
  readonly title: (tensor: string, before: number, after: number) => string;
}

const rules: readonly Rule[] = [
  {
    kind: "clamp-mask",
    answers: (h) => h.code === "mask-constant" && h.severity !== "info",
    change: (x) => (Number.isFinite(x) && Math.abs(x) > maxHalf ? Math.sign(x) * maskValue : x),
    title: (tensor, before, after) => `the mask constant "${tensor}" from ${show(before)} to ${show(after)}`,
  },
  {
    kind: "clamp-weight",
    answers: (h) => h.code === "weight-overflow",
    change: (x) => (Number.isFinite(x) && Math.abs(x) > maxHalf ? Math.sign(x) * maxHalf : x),
    title: (tensor, before, after) => `values of "${tensor}" beyond the FP16 range (up to ${show(before)}) to ${show(after)}`,
  },
  {
    kind: "raise-epsilon",
    answers: (h) => h.code === "epsilon-underflow" && h.severity !== "info",
    change: (x) => (x > 0 && x < minNormalHalf ? minNormalHalf : x),
    title: (tensor, before, after) => `the epsilon "${tensor}" from ${show(before)} to ${show(after)}, the smallest normal FP16 number`,
  },
];

/** Constants that FP16 cannot hold, given values that it can. Masks of minus infinity stay: a masked row is NaN in FP32 too. */
export function fixConstants(o: FixSubject): FixPlan {
  const fixes: Fix[] = [];
  const none: NoFix[] = [];
  const done = new Set<string>();
  for (const rule of rules)
    for (const hazard of o.hazards.filter(rule.answers)) {
      const key = `${rule.kind}:${hazard.tensor}`;
      // A mask's constant overflows as a weight too; the first rule that takes it serves it best.
      if (done.has(key) || done.has(hazard.tensor)) continue;
      done.add(key);
      const stored = storedFloats(o, hazard.tensor);
      if (typeof stored === "string") {
        none.push({ layer: hazard.layer, kind: rule.kind, reason: `"${hazard.tensor}": ${stored}` });
        continue;
      }
      const values = stored.values.map(rule.change);
      const at = values.findIndex((x, i) => x !== stored.values[i]);
      if (at < 0) continue;
      done.add(hazard.tensor);
      const layers = [hazard.layer, ...o.hazards.filter((h) => h.tensor === hazard.tensor).map((h) => h.layer)];
      fixes.push({
        id: key,
        kind: rule.kind,
        title: rule.title(hazard.tensor, furthest(stored.values), values[at] ?? 0),
        layers: [...new Set(layers)],
        edit: stored.replace(values),
      });
    }
  return { fixes, none };
}

const furthest = (values: Float32Array): number => values.reduce((a, b) => (Math.abs(b) > Math.abs(a) && Number.isFinite(b) ? b : a), 0);
const show = (x: number): string => Number(x.toPrecision(4)).toString();
