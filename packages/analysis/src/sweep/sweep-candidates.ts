import { CancelledError, type Progress, type SiteSensitivity } from "@halfscope/core";
import { type Evaluate, type OutputError, overSamples, worst } from "../judge/output-error.js";
import type { Journal } from "./journal.js";
import { addsWithSign } from "./projection.js";
import { keyOf, keyOfSet, type SiteGroup, type SweptPlan, sameGroup } from "./sweep-groups.js";
import { inLanes, planSegments, type Segments } from "./sweep-segments.js";

export interface CandidateOptions {
  plan: SweptPlan;
  /** The whole graph, by sample. */
  samples: readonly Evaluate[];
  segments?: Segments | undefined;
  journal: Journal<SiteSensitivity>;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

/** Runs candidates, each a group of sites alone, where they are cheapest. What the journal has is not run again. */
export class Candidates {
  /** Run now, and the time that took, building of engines included. */
  ran = 0;
  seconds = 0;

  private readonly groups: ReadonlySet<SiteGroup>;

  constructor(private readonly o: CandidateOptions) {
    this.groups = new Set(o.plan.groups);
  }

  known(group: SiteGroup): SiteSensitivity | undefined {
    const key = this.keyOf(group);
    const before = this.o.journal.get(key);
    return before && sameGroup(group, key, before);
  }

  private keyOf(group: SiteGroup): string {
    return this.groups.has(group) ? keyOf(group) : keyOfSet(group);
  }

  /** Groups of the plan, or several of them as one. In that order. */
  async measure(groups: readonly SiteGroup[], title: string): Promise<SiteSensitivity[]> {
    const { o } = this;
    const found = new Map<SiteGroup, SiteSensitivity>();
    for (const group of groups) {
      const before = this.known(group);
      if (before !== undefined) found.set(group, before);
    }
    const todo = this.bySegment(groups.filter((g) => !found.has(g)));
    // In thousandths of a pass: candidates behind late cuts are cheap, and counting heads would make the estimate far too long.
    const unitsOf = (segment: number) => Math.round(1000 * (o.segments?.shareOf(segment) ?? 1));
    const step = o.progress.step(
      title,
      [...todo].reduce((n, [segment, members]) => n + members.length * unitsOf(segment), 0),
    );
    let units = 0;
    for (const [segment, members] of todo) {
      const start = performance.now();
      const engine = await o.segments?.open(segment);
      try {
        await inLanes(members, engine?.lanes ?? 1, async (group) => {
          if (o.signal?.aborted) throw new CancelledError();
          const result = await this.run(group, engine?.samples ?? o.samples);
          o.journal.add(this.keyOf(group), result);
          found.set(group, result);
          units += unitsOf(segment);
          step.update(units);
        });
      } finally {
        engine?.close();
      }
      this.ran += members.length;
      this.seconds += (performance.now() - start) / 1000;
    }
    step.end();
    return groups.flatMap((g) => found.get(g) ?? []);
  }

  /** Of a candidate, as a share of a whole pass. */
  costOf(group: SiteGroup): number {
    const { segments, plan } = this.o;
    return segments?.shareOf(segments.segmentOf(plan.placementsOf(group))) ?? 1;
  }

  private bySegment(groups: readonly SiteGroup[]): [number, SiteGroup[]][] {
    const { segments, plan } = this.o;
    const latest = new Map(groups.map((g) => [g, segments?.segmentOf(plan.placementsOf(g)) ?? 0]));
    const counts = new Map<number, number>();
    for (const segment of latest.values()) counts.set(segment, (counts.get(segment) ?? 0) + 1);
    const chosen = segments === undefined ? undefined : planSegments(counts, segments);
    const members = new Map<number, SiteGroup[]>();
    for (const [group, segment] of latest) {
      const at = chosen?.get(segment) ?? segment;
      members.set(at, [...(members.get(at) ?? []), group]);
    }
    return [...members].sort(([a], [b]) => a - b);
  }

  private async run(group: SiteGroup, samples: readonly Evaluate[]): Promise<SiteSensitivity> {
    const switches = this.o.plan.only(group);
    const signed = group.every((s) => addsWithSign(s.kind));
    const errors: OutputError[] = [];
    for (const evaluate of samples) errors.push(await evaluate(switches, { signed }));
    return sensitivityFrom(group, errors);
  }
}

/** What one candidate did to the outputs, over the samples. */
export function sensitivityFrom(group: SiteGroup, errors: readonly OutputError[]): SiteSensitivity {
  const [{ id, kind, layer }] = group;
  const perSample = errors.map((e) => e.perOutput);
  const perOutput = errors.length === 1 ? (perSample[0] ?? []) : overSamples(perSample);
  const signed = errors.map((e) => e.signed);
  const metrics = errors.map((e) => e.metric);
  return {
    site: id,
    sites: group.map((s) => s.id),
    kind,
    layer,
    outputError: worst(perOutput),
    perOutput,
    outputMaxAbs: errors.reduce((m, e) => Math.max(m, e.maxAbs), 0),
    nonFinite: errors.some((e) => e.nonFinite),
    ...(isWhole(signed) && { signed }),
    ...(errors.length > 1 && { perSample, worstError: worst(perSample.map(worst)), spread: spreadOf(perSample.map(worst)) }),
    ...(isWhole(metrics) && { metric: worst(metrics) }),
  };
}

const isWhole = <T>(list: readonly (T | undefined)[]): list is T[] => list.every((v) => v !== undefined);

/** Standard deviation over the root of the mean square; 0 of zeros, NaN where one is not finite. */
export function spreadOf(values: readonly number[]): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((n, v) => n + (v - mean) ** 2, 0) / (values.length - 1);
  const square = values.reduce((n, v) => n + v * v, 0) / values.length;
  return square === 0 ? 0 : Math.sqrt(variance / square);
}
