import type { PrecisionPlan, Progress, Sensitivity, SiteSensitivity } from "@halfscope/core";
import type { Roundings } from "@halfscope/precision";
import { addInSquares, type Evaluate, type OutputError, overSamples, worst } from "../judge/output-error.js";
import { type AdaptiveOptions, sweepAdaptively } from "./adaptive.js";
import type { Journal } from "./journal.js";
import { predictError } from "./projection.js";
import { Candidates } from "./sweep-candidates.js";
import { keyOf, sweptPlan } from "./sweep-groups.js";
import { layersFromSites } from "./sweep-layers.js";
import type { Segments } from "./sweep-segments.js";

export interface SweepOptions {
  roundings: Roundings;
  /** Plan whose sites are swept: all FP16, or with overflow origins pinned. A site acts as this plan has it. */
  base: PrecisionPlan;
  /** The first sample. */
  evaluate: Evaluate;
  /** The others that are swept. Errors are then roots of mean squares over all. */
  more?: readonly Evaluate[] | undefined;
  /** Shorter engines for candidates that change only the later part of the graph; `evaluate` runs them all when absent. */
  segments?: Segments | undefined;
  journal: Journal<SiteSensitivity>;
  progress: Progress;
  signal?: AbortSignal | undefined;
  /** Sweep every site by itself, also those that no plan can tell apart. Defaults to false. */
  everySite?: boolean | undefined;
  /** Which groups to sweep here, by their place in graph order (see `shardOf`); all when absent. What the others lack in the journal is `left`. */
  only?: ((group: number) => boolean) | undefined;
  /** Sets of sites first, and only those opened that can still matter. Not together with `only`. */
  adaptive?: AdaptiveOptions | undefined;
  /** Where `sweep candidate` goes: seconds of one candidate, building of engines included. */
  timings?: Record<string, number> | undefined;
}

/** What each group of sites alone, in FP16, does to the final outputs. Nothing is rebuilt between candidates. Resumes from the journal. */
export async function sweepSites(o: SweepOptions): Promise<Sensitivity> {
  const plan = sweptPlan(o.base, o.roundings, o.everySite ?? false);
  const samples = [o.evaluate, ...(o.more ?? [])];
  const candidates = new Candidates({ ...o, plan, samples });
  const { groups } = plan;
  const whole: OutputError[] = [];
  const measureWhole = async () => {
    for (const [i, evaluate] of samples.entries()) whole.push(await evaluate(plan.switches, { figures: i === 0 }));
    return overSamples(whole.map((w) => w.perOutput));
  };
  let sites: readonly SiteSensitivity[];
  let adaptive: Sensitivity["adaptive"];
  let measured: number[];
  if (o.adaptive === undefined) {
    o.journal.expect(groups.map(keyOf));
    const here = groups.filter((_, i) => o.only?.(i) ?? true);
    await candidates.measure(here, `Sweeping ${here.length} groups of sites`);
    sites = groups.flatMap((g) => candidates.known(g) ?? []);
    measured = await measureWhole();
  } else {
    measured = await measureWhole();
    ({ sites, adaptive } = await sweepAdaptively({ ...o.adaptive, groups, candidates, whole: measured }));
  }
  if (o.timings !== undefined && candidates.ran > 0) {
    o.timings["sweep candidate"] = candidates.seconds / candidates.ran;
    o.timings["sweep candidates"] = candidates.seconds;
  }
  const metrics = whole.flatMap((w) => w.metric ?? []);
  const left = groups.length - sites.length;
  return {
    basePins: o.base.pins.map((p) => p.layer),
    sites,
    layers: layersFromSites(sites),
    measuredError: worst(measured),
    predictedError: worst(predictError(sites)),
    predictedInSquares: worst(
      addInSquares(
        sites.map((s) => s.perOutput),
        measured.length,
      ),
    ),
    candidates: sites.filter((s) => s.estimated !== true).length + (adaptive?.sets.length ?? 0),
    ...(left > 0 && { left }),
    ...(samples.length > 1 && { samples: samples.length }),
    ...(whole[0]?.figures && { figures: whole[0].figures }),
    ...(metrics.length > 0 && { metric: worst(metrics) }),
    ...(adaptive && { adaptive }),
  };
}
