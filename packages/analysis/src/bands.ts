import { type Measurements, meanAbs, relativeL2, switchOff } from "@halfscope/core";
import type { Feed } from "@halfscope/engine";
import { switchesFromPlan } from "@halfscope/precision";
import { type MeasureOptions, measure } from "./measure.js";
import type { Subject } from "./subject.js";

/** Whether the error of some product hangs on kernels that the library chooses. */
export const hasBands = (subject: Subject): boolean => subject.roundings.placements.some((p) => p.sums !== undefined);

/**
 * Adds to each measured tensor the smallest and the largest error over the kernels that a library may choose from: every product in FP32, and every product in FP16 by
 * one accumulator. The engine picks by timing, so the truth is a band. Two more paired runs, on this sample; tensors that come out the same have no band.
 */
export async function withBands(subject: Subject, feed: Feed, o: MeasureOptions, measured: Measurements): Promise<Measurements> {
  const { placements } = subject.roundings;
  const switches = o.switches ?? switchesFromPlan(o.plan, subject.roundings);
  const full = await measure(subject, feed, { ...o, switches: switches.map((s, i) => (placements[i]?.sums ? switchOff : s)) });
  const unsplit = placements.map((p) => (p.sums ? { ...p, sums: { ...p.sums, pieces: 1 } } : p));
  const half = await measure({ ...subject, roundings: { ...subject.roundings, placements: unsplit } }, feed, o);
  const extremes = [full, half].map((m) => new Map(m.tensors.map((t) => [t.tensor, t.stats])));
  const tensors = measured.tensors.map((t) => {
    const all = [t.stats, ...extremes.flatMap((stats) => stats.get(t.tensor) ?? [])];
    const band = { relativeL2: range(all.map(relativeL2)), meanAbs: range(all.map(meanAbs)) };
    return band.meanAbs[0] === band.meanAbs[1] ? t : { ...t, band };
  });
  return { ...measured, tensors };
}

const range = (values: readonly number[]): readonly [number, number] => [Math.min(...values), Math.max(...values)];
