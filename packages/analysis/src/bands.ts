import { type Measurements, meanAbs, type ProductSums, relativeL2 } from "@halfscope/core";
import type { Feed } from "@halfscope/engine";
import { hasBand } from "@halfscope/precision";
import { type MeasureOptions, measure } from "./measure.js";
import type { Subject } from "./subject.js";

/** The same subject with its long products split otherwise. */
function withPieces(subject: Subject, pieces: (sums: ProductSums) => number): Subject {
  const placements = subject.roundings.placements.map((p) =>
    p.sums && hasBand(p.sums) ? { ...p, sums: { ...p.sums, pieces: pieces(p.sums) } } : p,
  );
  return { ...subject, roundings: { ...subject.roundings, placements } };
}

/** Whether the error of some product hangs on how many accumulators the library splits it over. */
export const hasBands = (subject: Subject): boolean => subject.roundings.placements.some((p) => p.sums !== undefined && hasBand(p.sums));

/**
 * Adds to each measured tensor the errors it would have if the library did not split long products, and if it split them twice as finely: the engine picks
 * its kernels by timing, so the truth is a band. Two more paired runs, on this sample; tensors that come out the same have no band.
 */
export async function withBands(subject: Subject, feed: Feed, o: MeasureOptions, measured: Measurements): Promise<Measurements> {
  const extremes = [
    await measure(
      withPieces(subject, () => 1),
      feed,
      o,
    ),
    await measure(
      withPieces(subject, (s) => 2 * s.pieces),
      feed,
      o,
    ),
  ];
  const found = extremes.map((m) => new Map(m.tensors.map((t) => [t.tensor, t.stats])));
  const tensors = measured.tensors.map((t) => {
    const all = [t.stats, ...found.flatMap((stats) => stats.get(t.tensor) ?? [])];
    const band = {
      relativeL2: range(all.map(relativeL2)),
      meanAbs: range(all.map(meanAbs)),
    };
    return band.meanAbs[0] === band.meanAbs[1] ? t : { ...t, band };
  });
  return { ...measured, tensors };
}

const range = (values: readonly number[]): readonly [number, number] => [Math.min(...values), Math.max(...values)];
