import type { SampleCoverage } from "@halfscope/core";

/** A reason is told in so many words at most: sizes that differ may do so in every sample anew. */
const [shownReasons, shownSamples] = [3, 5];

/** Why tensors were not compared, sample by sample: one sample says nothing of the others, since sizes may hang on values. */
export class LeftOut {
  private readonly found = new Map<string, Map<number, string>>();

  constructor(private readonly samples: number) {}

  /** `sample` from 0. The first reason of a tensor in a sample stands. */
  add(name: string, sample: number, reason: string): void {
    const reasons = this.found.get(name) ?? new Map<number, string>();
    if (!reasons.has(sample)) reasons.set(sample, reason);
    this.found.set(name, reasons);
  }

  /** By name, in the order in which they were left out first. */
  coverage(): Map<string, SampleCoverage> {
    return new Map(
      [...this.found].map(([name, reasons]) => [
        name,
        { compared: this.samples - reasons.size, of: this.samples, reason: textOf(reasons, this.samples) },
      ]),
    );
  }
}

/** The reason itself where every sample has the same one: readers are shown tensors by their reasons. */
function textOf(reasons: ReadonlyMap<number, string>, of: number): string {
  const samples = new Map<string, number[]>();
  for (const [sample, reason] of reasons) samples.set(reason, [...(samples.get(reason) ?? []), sample]);
  const [[only = ""] = []] = samples;
  if (samples.size === 1 && reasons.size === of) return only;
  const all = [...samples].map(([reason, at]) => ({ text: `${reason.replace(/\.$/, "")} (in ${whichOf(at)} of ${of})`, count: at.length }));
  const more = all.slice(shownReasons).reduce((n, r) => n + r.count, 0);
  const rest = more > 0 ? [`other reasons in ${more} more`] : [];
  return [...all.slice(0, shownReasons).map((r) => r.text), ...rest].join("; ");
}

/** "sample 2", "samples 2, 3 and 5": people count from 1. */
function whichOf(samples: readonly number[]): string {
  const shown = samples.slice(0, shownSamples).map((i) => String(i + 1));
  const more = samples.length - shown.length;
  const last = more > 0 ? `${more} more` : (shown.pop() ?? "");
  return shown.length === 0 ? `sample ${last}` : `samples ${shown.join(", ")} and ${last}`;
}
