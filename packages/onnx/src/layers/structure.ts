import type { Node } from "../types.js";
import type { Draft } from "./claims.js";
import type { Scan } from "./scan.js";

/** Kinds that make the skeleton of a network; the rest lies between. */
const skeletonKinds = new Set([
  "layer-norm",
  "rms-norm",
  "softmax",
  "attention",
  "attention-scores",
  "attention-context",
  "linear",
  "convolution",
  "gelu",
  "residual-add",
]);
const longestPeriod = 60;
/** Fewer repeats are chance. */
const fewestRepeats = 3;

/** Numbers of blocks by layer, where one sequence of layers with a residual add or a normalization repeats through most of the network. */
export function structuralBlocks(scan: Scan, drafts: readonly Draft[]): ReadonlyMap<Draft, number> {
  const place = (d: Draft) => Math.min(...[...d.nodes].map((n) => scan.position(n)));
  const skeleton = drafts.filter((d) => skeletonKinds.has(d.kind)).sort((a, b) => place(a) - place(b));
  const found = longestRepeat(skeleton.map((d) => d.kind));
  const blocks = new Map<Draft, number>();
  if (found === undefined || found.repeats * found.period < skeleton.length / 2) return blocks;
  const start = bestStart(scan, skeleton, found);
  const starts = Array.from({ length: found.repeats }, (_, i) => place(skeleton[start + i * found.period] as Draft));
  const end = place(skeleton[start + found.repeats * found.period - 1] as Draft);
  for (const draft of drafts) {
    const at = place(draft);
    if (at < (starts[0] ?? 0) || at > end) continue;
    blocks.set(draft, starts.filter((s) => s <= at).length - 1);
  }
  return blocks;
}

interface Repeat {
  readonly start: number;
  readonly period: number;
  readonly repeats: number;
  /** How many later starts give as many repeats. */
  readonly slack: number;
}

function longestRepeat(kinds: readonly string[]): Repeat | undefined {
  let best: Repeat | undefined;
  for (let period = 2; period <= Math.min(longestPeriod, Math.floor(kinds.length / fewestRepeats)); period++) {
    // Length of the run of positions that equal the position one period later.
    for (let start = 0, run = 0; start + run + period <= kinds.length; start += run + 1, run = 0) {
      while (start + run + period < kinds.length && kinds[start + run] === kinds[start + run + period]) run++;
      const repeats = Math.floor(run / period) + 1;
      const unit = kinds.slice(start, start + period);
      const telling = unit.includes("residual-add") || unit.includes("layer-norm") || unit.includes("rms-norm");
      if (repeats < fewestRepeats || !telling || new Set(unit).size < 2) continue;
      if (best === undefined || repeats * period > best.repeats * best.period) best = { start, period, repeats, slack: run % period };
    }
  }
  return best;
}

/** A block begins where the fewest tensors pass from before to behind; of equal places the last. */
function bestStart(scan: Scan, skeleton: readonly Draft[], { start, slack, period }: Repeat): number {
  let best = start;
  let fewest = Number.POSITIVE_INFINITY;
  for (let at = start; at <= start + slack; at++) {
    // The border before the second repeat: before the first one, inputs and masks are still being prepared.
    const crossing = crossings(scan, skeleton[at + period]);
    if (crossing <= fewest) [best, fewest] = [at, crossing];
  }
  return best;
}

function crossings(scan: Scan, draft: Draft | undefined): number {
  if (draft === undefined) return Number.POSITIVE_INFINITY;
  const border = Math.min(...[...draft.nodes].map((n) => scan.position(n)));
  const isBehind = (n: Node) => scan.position(n) >= border;
  let count = 0;
  for (const node of scan.view.order) {
    if (isBehind(node)) break;
    for (const t of node.outputs) if (!scan.isConstant(t) && scan.mayBeFloat(t) && scan.users(t).some(isBehind)) count++;
  }
  return count;
}
