import type { Hazard, Layer } from "@halfscope/core";
import { divisorsOf, layerNormParts, type Node, type SoftmaxParts, softmaxParts } from "@halfscope/onnx";
import { maxHalf, minNormalHalf, minSubnormalHalf } from "../half.js";
import type { Fix, FixKind, FixPlan, FixSubject, NoFix } from "./fix.js";
import { changeFor, storedFloats } from "./stored.js";

/**
 * What masks with: far enough below any score that its exponential is 0 in FP32 (exp(-104) already is), and far enough from -65504 that adding a score, or another
 * mask, does not pass it.
 */
export const maskValue = 1e4;
/** For scores so far apart that they come near `maskValue`; two of them still add up to less than 65504. */
export const strongMaskValue = 3e4;

/** Epsilons to try, best first. All are safe: FP16 holds them, and the root of the last, 2^-24, has a reciprocal of 4096. */
export const epsilons = [minNormalHalf, 2 ** -20, minSubnormalHalf] as const;

interface Rule {
  readonly kind: FixKind;
  readonly answers: (h: Hazard) => boolean;
  /** Which readers of the constant are meant, and the layers that it serves. */
  readonly uses: (tensor: string) => { allows: (node: Node) => boolean; layers: readonly string[] };
  /** Best first; the others are milder. */
  readonly changes: (tensor: string) => readonly ((x: number) => number)[];
  readonly title: (tensor: string, before: number, after: number) => string;
  readonly note?: (tensor: string, before: number) => string | undefined;
}

const isBeyond = (x: number) => Number.isFinite(x) && Math.abs(x) > maxHalf;

/** Constants that FP16 cannot hold, given values that it can. Masks of minus infinity stay: a masked row is NaN in FP32 too. */
export function fixConstants(o: FixSubject): FixPlan {
  const fixes: Fix[] = [];
  const none: NoFix[] = [];
  const done = new Set<string>();
  for (const rule of [masks(o), weights(), smallEpsilons(o)])
    for (const hazard of o.hazards.filter(rule.answers)) {
      // A mask's constant overflows as a weight too; the first rule that takes it serves it best.
      if (done.has(hazard.tensor)) continue;
      const found = fixOf(o, rule, hazard);
      if (typeof found === "string") none.push({ layer: hazard.layer, kind: rule.kind, reason: `"${hazard.tensor}": ${found}` });
      else if (found !== undefined) {
        done.add(hazard.tensor);
        fixes.push(found);
      }
    }
  return { fixes, none };
}

function fixOf(o: FixSubject, rule: Rule, { tensor, layer }: Hazard): Fix | string | undefined {
  const stored = storedFloats(o, tensor);
  if (typeof stored === "string") return stored;
  const uses = rule.uses(tensor);
  const layers = [...new Set([layer, ...uses.layers, ...o.hazards.filter((h) => h.tensor === tensor).map((h) => h.layer)])];
  let found: Fix | undefined;
  for (const change of rule.changes(tensor).toReversed()) {
    const values = stored.values.map(change);
    const at = values.findIndex((x, i) => x !== stored.values[i] && !Number.isNaN(x));
    if (at < 0) continue;
    const edit = changeFor(o, tensor, stored, values, uses.allows);
    if (typeof edit === "string") return edit;
    const furthest = stored.values.reduce((a, b) => (Math.abs(b) > Math.abs(a) && Number.isFinite(b) ? b : a), 0);
    const note = rule.note?.(tensor, furthest);
    found = {
      id: `${rule.kind}:${tensor}`,
      kind: rule.kind,
      title: rule.title(tensor, furthest, values[at] ?? 0),
      layers,
      edit,
      ...(note !== undefined && { note }),
      ...(found !== undefined && { milder: found }),
    };
  }
  return found;
}

/** Masks, wherever a softmax reads them. */
function masks(o: FixSubject): Rule {
  const parts = o.layers.flatMap((layer) => {
    const found = softmaxParts(o.view, layer);
    return found === undefined ? [] : [{ layer, found }];
  });
  const masked = new Set(parts.flatMap(({ found }) => found.maskTensors));
  const inFused = new Set(parts.filter(({ layer }) => layer.kind === "attention").flatMap(({ layer }) => layer.nodes));
  const serves = (p: SoftmaxParts, tensor: string) => p.storedMasks.includes(tensor) || p.maskConstants.some((c) => c.tensor === tensor);
  const partsOf = (tensor: string) => parts.filter(({ found }) => serves(found, tensor));
  return {
    kind: "clamp-mask",
    answers: (h) => h.code === "mask-constant" && h.severity !== "info",
    uses: (tensor) => ({
      allows: (node) => inFused.has(node.index) || node.outputs.some((t) => masked.has(t)),
      layers: partsOf(tensor).map(({ layer }) => layer.id),
    }),
    changes: (tensor) => {
      const spread = Math.max(0, ...partsOf(tensor).map(({ layer, found }) => spreadOf(o, layer, found)));
      const value = spread > 0.9 * maskValue ? strongMaskValue : maskValue;
      return [(x) => (isBeyond(x) ? Math.sign(x) * value : x)];
    },
    title: (tensor, before, after) => `the mask constant "${tensor}" from ${show(before)} to ${show(after)}`,
    note: (tensor, before) =>
      Math.abs(before) > forgets && partsOf(tensor).some(({ layer, found }) => isAdded(o, layer, found))
        ? `added to scores, ${show(before)} makes FP32 forget them, so that a row that is masked as a whole is uniform; with the new value it is the softmax of its scores`
        : undefined,
  };
}

/** Beyond 2^24 times a score of 60, FP32 loses the score that is added. */
const forgets = 1e9;

/** The mask is added; a Where puts it in place of the scores. */
function isAdded(o: FixSubject, layer: Layer, parts: SoftmaxParts): boolean {
  const applied = appliers(o, layer, parts);
  return applied.length === 0 || applied.some((n) => n.opType !== "Where");
}

const appliers = ({ view }: FixSubject, layer: Layer, parts: SoftmaxParts): Node[] =>
  layer.nodes.flatMap((i) => view.nodes[i] ?? []).filter((n) => n.inputs.some((t) => parts.masks.includes(t)));

/** How far apart the scores lie that are masked; 0 where nothing was measured. */
function spreadOf(o: FixSubject, layer: Layer, parts: SoftmaxParts): number {
  const { range } = o;
  const scores = appliers(o, layer, parts)
    .flatMap((n) => n.inputs)
    .filter((t) => !parts.masks.includes(t));
  const ranges = scores.flatMap((t) => range?.(t) ?? []).filter((r) => r.min <= r.max);
  return Math.max(0, ...ranges.map((r) => r.max - r.min));
}

const weights = (): Rule => ({
  kind: "clamp-weight",
  answers: (h) => h.code === "weight-overflow",
  uses: () => ({ allows: () => true, layers: [] }),
  changes: () => [(x) => (isBeyond(x) ? Math.sign(x) * maxHalf : x)],
  title: (tensor, before, after) => `values of "${tensor}" beyond the FP16 range (up to ${show(before)}) to ${show(after)}`,
});

/** Epsilons of normalizations in single nodes, and of other divisions. Those that are attributes of a node are no tensor: engines add them in FP32. */
function smallEpsilons(o: FixSubject): Rule {
  const norms = o.layers.flatMap((layer) => {
    const epsilon = layerNormParts(o.view, layer)?.epsilon?.tensor;
    return epsilon === undefined ? [] : [{ layer, epsilon }];
  });
  const guards = divisorsOf(o.view).flatMap((d) => d.guard ?? []);
  return {
    kind: "raise-epsilon",
    answers: (h) => h.code === "epsilon-underflow" && h.severity !== "info",
    uses: (tensor) => {
      const serves = norms.filter((n) => n.epsilon === tensor);
      const inNorms = new Set(serves.flatMap((n) => n.layer.nodes));
      const guarding = new Set(guards.filter((g) => g.tensor === tensor).map((g) => g.node.index));
      return {
        allows: (node) => guarding.has(node.index) || (inNorms.has(node.index) && (node.opType === "Add" || node.opType === "Max")),
        layers: serves.map((n) => n.layer.id),
      };
    },
    changes: () => epsilons.map((least) => (x: number) => (x > 0 && x < least ? least : x)),
    title: (tensor, before, after) =>
      `the epsilon "${tensor}" from ${show(before)} to ${show(after)}, ${after >= minNormalHalf ? "the smallest normal FP16 number" : "a number that FP16 holds as a subnormal one"}`,
  };
}

const show = (x: number): string => Number(x.toPrecision(4)).toString();
