import { fixConstants } from "./constants.js";
import type { Fix, FixKind, FixPlan, FixSubject } from "./fix.js";
import { fixNorms } from "./norms.js";

export { applyFixes, type FixedModel } from "./apply.js";
export { maskValue } from "./constants.js";
export type { Fix, FixEdit, FixKind, FixPlan, FixSubject, NoFix } from "./fix.js";
export { fixKinds } from "./fix.js";

/** Fixes that answer the hazards of a model; a normalization that is fused or scaled needs no epsilon raised. `only` names kinds; all when absent. */
export function planFixes(o: FixSubject, only?: readonly FixKind[]): FixPlan {
  const wanted = (kind: FixKind) => only === undefined || only.includes(kind);
  const norms = fixNorms(o, wanted);
  const constants = fixConstants(o);
  const mended = new Set(norms.fixes.flatMap((f) => f.layers));
  const needed = (f: Fix) => f.kind !== "raise-epsilon" || f.layers.some((l) => !mended.has(l));
  return {
    fixes: [...constants.fixes.filter((f) => wanted(f.kind) && needed(f)), ...norms.fixes],
    none: [...constants.none.filter((n) => wanted(n.kind)), ...norms.none],
  };
}
