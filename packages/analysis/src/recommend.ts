import {
  CancelledError,
  halfWords,
  type Layer,
  type Overrides,
  type PrecisionPlan,
  type Progress,
  type Recommendation,
  type Sensitivity,
  type Suggestion,
  type Trial,
} from "@halfscope/core";
import { overridesFromPlan, type Roundings, switchesFromPlan, withPins } from "@halfscope/precision";
import { shareOf } from "./cost.js";
import { greedyPins } from "./greedy.js";
import type { Evaluate, OutputError } from "./output-error.js";
import { ruleSuggestions } from "./suggestions.js";

export interface RecommendOptions {
  roundings: Roundings;
  layers: readonly Layer[];
  /** All FP16 with the constants that `apply` writes. */
  allHalf: PrecisionPlan;
  /** Layers that the overflow origins need, with the reason for each. */
  basePins: readonly { layer: string; reason: string }[];
  sensitivity: Sensitivity;
  work: ReadonlyMap<string, number>;
  /** Relative L2 of the worst final output. */
  tolerance: number;
  /** On the sample that was swept, and on one that pins were not chosen on (absent: there is no such sample). */
  evaluate: Evaluate;
  evaluateHeldBack?: Evaluate | undefined;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

/** Pins that measurement justifies: the fewest that were found to meet the tolerance, none of which can be dropped. */
export async function recommendPins(o: RecommendOptions): Promise<{ recommendation: Recommendation; overrides: Overrides }> {
  return new Search(o).run();
}

class Search {
  private readonly trials: Trial[] = [];
  private readonly known = new Map<string, OutputError>();
  private readonly base: readonly string[];
  private readonly plainPurpose: string;

  constructor(private readonly o: RecommendOptions) {
    this.base = o.basePins.map((p) => p.layer);
    this.plainPurpose = `all ${halfWords[o.roundings.floats.type]}`;
  }

  async run(): Promise<{ recommendation: Recommendation; overrides: Overrides }> {
    const { o } = this;
    const suggestions = await this.suggest();
    const plain = await this.try([], this.plainPurpose);
    let pins: string[] = [];
    let outcome: Recommendation["outcome"] = "no-pins-needed";
    if (!this.meets(plain) || !this.meetsHeldBack(await this.heldBack([]))) {
      pins = await this.search();
      outcome = this.meets(await this.try(pins, "recommended")) && this.meetsHeldBack(await this.heldBack(pins)) ? "pins-found" : "not-met";
    }
    const chosen = await this.try(pins, "recommended");
    const heldBackError = (await this.heldBack(pins))?.error;
    const withEvidence = pins.map((layer) => ({ layer, reason: this.reasonFor(layer), evidence: this.evidenceFor(layer) }));
    const recommendation: Recommendation = {
      tolerance: o.tolerance,
      outcome,
      pins: withEvidence,
      measuredError: chosen.error,
      heldBackError,
      trials: this.trials,
      suggestions,
    };
    const word = halfWords[o.roundings.floats.type];
    const note =
      outcome === "no-pins-needed"
        ? `${word} meets the tolerance without pins.`
        : `Measured: ${chosen.error.toPrecision(3)} relative L2 at a tolerance of ${o.tolerance}.`;
    return { recommendation, overrides: overridesFromPlan({ ...o.allHalf, pins: withEvidence }, { note }) };
  }

  /** Walks the greedy order until the tolerance is met in measurement, then drops what is not needed. Held-back samples tighten the aim. */
  private async search(): Promise<string[]> {
    const { o } = this;
    const order = greedyPins(o.roundings.sites, o.sensitivity.sites, o.work, this.base);
    const sets = [[...this.base]];
    for (const step of order) sets.push([...(sets.at(-1) ?? []), ...step.added]);
    const predicted = [o.sensitivity.predictedError, ...order.map((s) => s.predictedError)];
    // What the sites predict is off by a factor that the whole candidate shows; the walk starts where prediction times factor meets the aim.
    const factor =
      o.sensitivity.predictedError > 0 && Number.isFinite(o.sensitivity.measuredError)
        ? o.sensitivity.measuredError / o.sensitivity.predictedError
        : 1;
    const passes = async (k: number) => {
      step.update(tried++);
      const set = sets[k] ?? [];
      return (
        this.meets(await this.try(set, k === 0 ? "overflow origins" : "greedy", predicted[k])) &&
        this.meetsHeldBack(await this.heldBack(set))
      );
    };
    const last = sets.length - 1;
    // A walk out and a bisection back: about this many trials.
    const step = o.progress.step("Looking for pins that meet the tolerance", 2 * Math.ceil(Math.log2(sets.length + 1)) + 2);
    let tried = 0;
    const start = predicted.findIndex((p) => p * factor <= o.tolerance);
    let high = start < 0 ? last : start;
    let low = -1;
    for (let stride = 1; !(await passes(high)); stride *= 2) {
      if (high === last) {
        step.end();
        return sets[last] ?? [];
      }
      low = high;
      high = Math.min(last, high + stride);
    }
    for (let stride = 1; low < 0 && high > 0; stride *= 2) {
      const probe = Math.max(0, high - stride);
      if (await passes(probe)) high = probe;
      else low = probe;
    }
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (await passes(middle)) high = middle;
      else low = middle;
    }
    step.end();
    return this.trim(sets[high] ?? []);
  }

  /** Drops pins, cheapest benefit first, in halves and then one by one, until every single removal breaks the tolerance (1-minimal). */
  private async trim(pins: readonly string[]): Promise<string[]> {
    const benefit = new Map(this.o.sensitivity.layers.map((l) => [l.layer, l.outputError]));
    let kept = [...pins];
    const fits = async (set: readonly string[]) => this.meets(await this.try(set, "trim")) && this.meetsHeldBack(await this.heldBack(set));
    for (let size = kept.length >> 1; size >= 1; size = size === 1 ? 0 : size >> 1) {
      for (let dropped = true; dropped; ) {
        dropped = false;
        const order = kept.toSorted((a, b) => (benefit.get(a) ?? 0) - (benefit.get(b) ?? 0));
        const step = this.o.progress.step(size === 1 ? "Dropping pins one by one" : `Dropping pins by ${size}`, order.length);
        for (let at = 0; at < order.length; at += size) {
          const out = new Set(order.slice(at, at + size).filter((l) => kept.includes(l)));
          const set = kept.filter((l) => !out.has(l));
          step.update(at);
          if (out.size === 0 || !(await fits(set))) continue;
          kept = set;
          dropped = true;
        }
        step.end();
        // Only single removals have to be repeated until nothing changes; larger chunks are a short cut.
        if (size > 1) break;
      }
    }
    return kept;
  }

  private async suggest(): Promise<Suggestion[]> {
    const without = await this.try(this.base, this.base.length > 0 ? "overflow origins" : this.plainPurpose);
    const suggestions: Suggestion[] = [];
    const rules = ruleSuggestions(this.o.layers, this.o.roundings);
    const step = this.o.progress.step("Measuring the usual advice", rules.length);
    for (const { rule, layers, meaning } of rules) {
      const withRule = await this.try([...new Set([...this.base, ...layers])], `rule: ${rule}`);
      suggestions.push({
        rule,
        layers,
        errorWithout: without.error,
        errorWith: withRule.error,
        fp32Share: shareOf(layers, this.o.work),
        verdict: verdictOf(without.error, withRule.error, this.o.tolerance, meaning),
      });
      step.update(suggestions.length);
    }
    step.end();
    return suggestions;
  }

  private async try(pins: readonly string[], purpose: string, predictedError?: number): Promise<OutputError> {
    if (this.o.signal?.aborted) throw new CancelledError();
    const key = [...pins].sort().join("\0");
    const before = this.known.get(key);
    if (before !== undefined) return before;
    const result = await this.o.evaluate(this.switches(pins));
    this.known.set(key, result);
    this.trials.push({
      pins: [...pins],
      purpose,
      predictedError,
      measuredError: result.error,
      nonFinite: result.nonFinite,
      fp32Share: shareOf(pins, this.o.work),
    });
    return result;
  }

  private readonly heldBackKnown = new Map<string, OutputError>();
  private async heldBack(pins: readonly string[]): Promise<OutputError | undefined> {
    if (this.o.evaluateHeldBack === undefined) return undefined;
    const key = [...pins].sort().join("\0");
    const result = this.heldBackKnown.get(key) ?? (await this.o.evaluateHeldBack(this.switches(pins)));
    this.heldBackKnown.set(key, result);
    return result;
  }

  private switches(pins: readonly string[]): Uint8Array {
    return switchesFromPlan(withPins(this.o.allHalf, pins), this.o.roundings);
  }
  private meets(e: OutputError): boolean {
    return !e.nonFinite && e.error <= this.o.tolerance;
  }
  private meetsHeldBack(e: OutputError | undefined): boolean {
    return e === undefined || this.meets(e);
  }

  private reasonFor(layer: string): string {
    const base = this.o.basePins.find((p) => p.layer === layer);
    if (base !== undefined) return base.reason;
    const s = this.o.sensitivity.layers.find((l) => l.layer === layer);
    if (s === undefined || s.outputError === 0) return "neighbour of a pinned layer: what they share is rounded until both are in FP32";
    return `its roundings alone change the final outputs by ${s.outputError.toPrecision(2)} (relative L2)`;
  }

  private evidenceFor(layer: string): Readonly<Record<string, number | string>> {
    const s = this.o.sensitivity.layers.find((l) => l.layer === layer);
    return {
      ...(s && { outputError: s.outputError, activation: s.activation, weight: s.weight }),
      shareOfWork: shareOf([layer], this.o.work),
    };
  }
}

function verdictOf(without: number, withRule: number, tolerance: number, meaning: string): string {
  const gone = Number.isFinite(without) && without > 0 ? 1 - withRule / without : Number.isFinite(withRule) ? 1 : 0;
  const percent = `${(100 * gone).toFixed(gone < 0.1 ? 1 : 0)} %`;
  if (!Number.isFinite(without) && Number.isFinite(withRule)) return `Needed: without it the outputs are not finite. ${meaning}`;
  if (without > tolerance && withRule <= tolerance)
    return `Enough by itself: it removes ${percent} of the error and meets the tolerance. ${meaning}`;
  if (gone > 0.1)
    return `Helps: it removes ${percent} of the error${without <= tolerance ? ", which is not needed here" : ", not enough by itself"}. ${meaning}`;
  if (gone > 0.005) return `Makes little difference here: ${percent} of the error. ${meaning}`;
  if (gone < -0.005) return `Makes it worse here: the error grows by ${(-100 * gone).toFixed(1)} %. ${meaning}`;
  return `Makes no difference here. ${meaning}`;
}
