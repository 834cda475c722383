import { CancelledError, type PrecisionPlan, type Trial } from "@halfscope/core";
import { type Roundings, switchesFromPlan, withPins } from "@halfscope/precision";
import type { Evaluate, OutputError } from "../judge/output-error.js";
import type { PinCosts } from "./cost.js";
import { unseenBound } from "./unseen.js";

/** What a search asks of measurement. Fakes with plain numbers stand in for it in tests. */
export interface Judge {
  /** Within the tolerance, and finite, on every sample. */
  fits(pins: readonly string[], purpose: string, predicted?: number): Promise<boolean>;
  /** Worst error over all samples; of a set that is worse than `enough` on some sample, an error beyond it. */
  errorOf(pins: readonly string[], purpose: string, predicted?: number, enough?: number): Promise<number>;
  /** Measured sets that are still allowed. A set that was measured before costs none. */
  readonly left: number;
}

export interface TrialsOptions {
  roundings: Roundings;
  /** All FP16 with the constants that `apply` writes. */
  allHalf: PrecisionPlan;
  costs: PinCosts;
  tolerance: number;
  /** On the sample that was swept, and on each of those that pins are not chosen on. */
  evaluate: Evaluate;
  heldBack: readonly Evaluate[];
  /** Whether the tolerance has to hold for samples that nobody has seen, too, as far as the spread over three samples or more tells. */
  unseen: boolean;
  /** Sets of pins to measure at most. */
  most: number;
  /** Told how many were measured so far. */
  onTrial?: ((done: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

interface Known {
  readonly index: number;
  readonly pins: readonly string[];
  readonly measured: OutputError;
  /** By held-back sample; undefined where it was not asked. */
  readonly heldBack: (number | undefined)[];
  fits?: boolean;
}

/** Measures sets of pins, each once per sample, and keeps the record of all of them. */
export class Trials implements Judge {
  readonly record: Trial[] = [];
  private readonly known = new Map<string, Known>();
  private most: number;
  /** Held-back samples, those first that sets failed on last: a set that is going to fail should do so soon. */
  private order: number[];
  private tellsUnseen: boolean;
  private readonly samples: Evaluate[];

  constructor(private readonly o: TrialsOptions) {
    this.most = o.most;
    this.samples = [...o.heldBack];
    this.order = o.heldBack.map((_, i) => i);
    this.tellsUnseen = o.unseen;
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
  /** Samples that judge, the one that was swept included. */
  get judges(): number {
    return 1 + this.samples.length;
  }

  /** Errors of a set of pins on samples that do not judge; it is no trial. */
  async errorsOn(samples: readonly Evaluate[], pins: readonly string[]): Promise<number[]> {
    const switches = this.switches(pins);
    const errors: number[] = [];
    for (const evaluate of samples) {
      if (this.o.signal?.aborted) throw new CancelledError();
      errors.push(finiteError(await evaluate(switches)));
    }
    return errors;
  }
  /** More samples judge from now on, and are asked first: what failed before fails still, what passed is asked again. */
  addSamples(more: readonly Evaluate[]): void {
    this.order = [...more.map((_, i) => this.samples.length + i), ...this.order];
    this.samples.push(...more);
    for (const known of this.known.values()) if (known.fits) delete known.fits;
  }

  /** From now on only the samples that there are count. */
  forgetUnseen(): void {
    this.tellsUnseen = false;
    for (const known of this.known.values()) delete known.fits;
  }

  /** The final outputs with these pins on the sample that was swept. */
  async measure(pins: readonly string[], purpose: string, predicted?: number): Promise<OutputError> {
    return (await this.of(pins, purpose, predicted)).measured;
  }

  async fits(pins: readonly string[], purpose: string, predicted?: number): Promise<boolean> {
    const known = await this.of(pins, purpose, predicted);
    known.fits ??= await this.judged(known);
    return known.fits;
  }
  private async judged(known: Known): Promise<boolean> {
    const { tolerance } = this.o;
    const worst = await this.worstOf(known, tolerance);
    if (!Number.isFinite(worst) || worst > tolerance) return false;
    const bound = this.tellsUnseen ? this.boundOf(known) : undefined;
    return bound === undefined || bound <= tolerance;
  }

  async errorOf(pins: readonly string[], purpose: string, predicted?: number, enough = Number.POSITIVE_INFINITY): Promise<number> {
    return this.worstOf(await this.of(pins, purpose, predicted), enough);
  }

  /** Every sample asked: worst of those held back (undefined where there are none), and what to expect of one that nobody has seen. */
  async everySample(pins: readonly string[], purpose: string): Promise<{ heldBack: number | undefined; unseen: number | undefined }> {
    const known = await this.of(pins, purpose);
    await this.worstOf(known, Number.POSITIVE_INFINITY);
    return { heldBack: this.record[known.index]?.heldBackError, unseen: this.o.unseen ? this.boundOf(known) : undefined };
  }

  /** Whether a trial has shown that a set of pins does not keep the tolerance. */
  isKnownToFail(pins: readonly string[]): boolean {
    const known = this.known.get(keyOf(pins));
    if (known === undefined) return false;
    const beyond = (error: number | undefined) => error !== undefined && !(error <= this.o.tolerance && Number.isFinite(error));
    return known.fits === false || beyond(finiteError(known.measured)) || known.heldBack.some(beyond);
  }

  /** Asks one sample after the other, until one is worse than `enough`. */
  private async worstOf(known: Known, enough: number): Promise<number> {
    let worst = finiteError(known.measured);
    for (const sample of [...this.order]) {
      if (worst > enough) break;
      const evaluate = this.samples[sample];
      if (evaluate === undefined) continue;
      if (this.o.signal?.aborted) throw new CancelledError();
      const error = known.heldBack[sample] ?? finiteError(await evaluate(this.switches(known.pins)));
      known.heldBack[sample] = error;
      worst = Math.max(worst, error);
      if (worst > enough) this.order = [sample, ...this.order.filter((s) => s !== sample)];
    }
    const asked = known.heldBack.filter((e) => e !== undefined);
    const trial = this.record[known.index];
    if (trial !== undefined && asked.length > 0) this.record[known.index] = { ...trial, heldBackError: Math.max(...asked) };
    return worst;
  }

  private boundOf(known: Known): number | undefined {
    const all = [finiteError(known.measured), ...this.samples.map((_, i) => known.heldBack[i])];
    return all.includes(undefined) ? undefined : unseenBound(all as number[]);
  }

  private async of(pins: readonly string[], purpose: string, predicted?: number): Promise<Known> {
    if (this.o.signal?.aborted) throw new CancelledError();
    const key = keyOf(pins);
    const before = this.known.get(key);
    if (before !== undefined) return before;
    const measured = await this.o.evaluate(this.switches(pins));
    const { fp32Share, casts, castShare } = this.o.costs.of(pins);
    const known: Known = { index: this.record.length, pins, measured, heldBack: [] };
    this.record.push({
      pins: [...pins],
      purpose,
      predictedError: predicted,
      measuredError: measured.error,
      nonFinite: measured.nonFinite,
      fp32Share,
      casts,
      castShare,
    });
    this.known.set(key, known);
    this.o.onTrial?.(this.record.length);
    return known;
  }

  private switches(pins: readonly string[]): Uint8Array {
    return switchesFromPlan(withPins(this.o.allHalf, pins), this.o.roundings);
  }
}

const finiteError = (e: OutputError): number => (e.nonFinite || Number.isNaN(e.error) ? Number.POSITIVE_INFINITY : e.error);

export const keyOf = (pins: readonly string[]): string => [...new Set(pins)].sort().join("\0");
