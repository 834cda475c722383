import { CancelledError, type PrecisionPlan, type Trial } from "@halfscope/core";
import { type Roundings, switchesFromPlan, withPins } from "@halfscope/precision";
import type { PinCosts } from "./cost.js";
import type { Evaluate, OutputError } from "./output-error.js";

/** What a search asks of measurement. Fakes with plain numbers stand in for it in tests. */
export interface Judge {
  /** Within the tolerance, and finite, on every sample. */
  fits(pins: readonly string[], purpose: string, predicted?: number): Promise<boolean>;
  /** Worst error over all samples. */
  errorOf(pins: readonly string[], purpose: string, predicted?: number): Promise<number>;
  /** Measured sets that are still allowed. A set that was measured before costs none. */
  readonly left: number;
}

export interface TrialsOptions {
  roundings: Roundings;
  /** All FP16 with the constants that `apply` writes. */
  allHalf: PrecisionPlan;
  costs: PinCosts;
  tolerance: number;
  /** On the samples that were swept, and worst of those that pins are not chosen on (absent: there are none). */
  evaluate: Evaluate;
  evaluateHeldBack?: Evaluate | undefined;
  /** Sets of pins to measure at most. */
  most: number;
  /** Told how many were measured so far. */
  onTrial?: ((done: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

interface Known {
  trial: Trial;
  index: number;
  measured: OutputError;
  heldBack?: OutputError;
}

/** Measures sets of pins, each once, and keeps the record of all of them. */
export class Trials implements Judge {
  readonly record: Trial[] = [];
  private readonly known = new Map<string, Known>();
  private most: number;

  constructor(private readonly o: TrialsOptions) {
    this.most = o.most;
  }

  get left(): number {
    return Math.max(0, this.most - this.record.length);
  }
  /** Keeps trials for later: searches see so many less. Gives back what they had. */
  reserve(trials: number): () => void {
    const kept = Math.min(trials, this.left);
    this.most -= kept;
    return () => {
      this.most += kept;
    };
  }

  /** The final outputs with these pins on the samples that were swept. */
  async measure(pins: readonly string[], purpose: string, predicted?: number): Promise<OutputError> {
    return (await this.of(pins, purpose, predicted)).measured;
  }
  /** The same on the others; undefined where there are none. */
  async heldBack(pins: readonly string[], purpose: string): Promise<OutputError | undefined> {
    const { evaluateHeldBack } = this.o;
    if (evaluateHeldBack === undefined) return undefined;
    const known = await this.of(pins, purpose);
    if (known.heldBack !== undefined) return known.heldBack;
    const heldBack = await evaluateHeldBack(this.switches(pins));
    const trial = { ...known.trial, heldBackError: heldBack.error };
    this.record[known.index] = trial;
    this.known.set(keyOf(pins), { ...known, trial, heldBack });
    return heldBack;
  }

  async fits(pins: readonly string[], purpose: string, predicted?: number): Promise<boolean> {
    if (!this.meets(await this.measure(pins, purpose, predicted))) return false;
    const heldBack = await this.heldBack(pins, purpose);
    return heldBack === undefined || this.meets(heldBack);
  }
  async errorOf(pins: readonly string[], purpose: string, predicted?: number): Promise<number> {
    const errors = [await this.measure(pins, purpose, predicted), await this.heldBack(pins, purpose)];
    return errors.reduce(
      (m, e) => (e === undefined ? m : e.nonFinite || Number.isNaN(e.error) ? Number.POSITIVE_INFINITY : Math.max(m, e.error)),
      0,
    );
  }

  /** The trial of exactly these pins, when there was one, and its place in the record. */
  find(pins: readonly string[]): { trial: Trial; index: number } | undefined {
    return this.known.get(keyOf(pins));
  }
  /** What a set of pins is known to break: it was tried, and is beyond the tolerance on some sample. */
  isKnownToFail(pins: readonly string[]): boolean {
    const known = this.known.get(keyOf(pins));
    return known !== undefined && (!this.meets(known.measured) || (known.heldBack !== undefined && !this.meets(known.heldBack)));
  }

  meets(e: OutputError): boolean {
    return !e.nonFinite && e.error <= this.o.tolerance;
  }

  private async of(pins: readonly string[], purpose: string, predicted?: number): Promise<Known> {
    if (this.o.signal?.aborted) throw new CancelledError();
    const key = keyOf(pins);
    const before = this.known.get(key);
    if (before !== undefined) return before;
    const measured = await this.o.evaluate(this.switches(pins));
    const { fp32Share, casts, castShare } = this.o.costs.of(pins);
    const trial: Trial = {
      pins: [...pins],
      purpose,
      predictedError: predicted,
      measuredError: measured.error,
      nonFinite: measured.nonFinite,
      fp32Share,
      casts,
      castShare,
    };
    const known = { trial, index: this.record.length, measured };
    this.record.push(trial);
    this.o.onTrial?.(this.record.length);
    this.known.set(key, known);
    return known;
  }

  private switches(pins: readonly string[]): Uint8Array {
    return switchesFromPlan(withPins(this.o.allHalf, pins), this.o.roundings);
  }
}

export const keyOf = (pins: readonly string[]): string => [...new Set(pins)].sort().join("\0");
