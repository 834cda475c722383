import { InternalError, type OutputFigures, type TensorValue } from "@halfscope/core";
import { packProjection, projectedLength, projectionOf } from "../sweep/projection.js";
import { classFigures } from "./judge-classes.js";
import { keptElements, maskOf, type PaddingMask } from "./judge-padding.js";
import { floatsOf, type OutputValues } from "./judge-values.js";
import type { OutputError, Wanted } from "./output-error.js";

/** A figure of the user's own: a number from the reference's and the candidate's outputs, by name; smaller is better. */
export type Metric = (
  reference: Readonly<Record<string, OutputValues>>,
  candidate: Readonly<Record<string, OutputValues>>,
) => number | Promise<number>;

export interface JudgeOptions {
  /** Outputs that are judged, in the model's order: the float ones. */
  outputs: readonly string[];
  /** Positions to leave out. Defaults to none. */
  masks?: readonly PaddingMask[];
  /** Outputs whose last axis may be classes (`scoreOutputs`). */
  scores?: ReadonlySet<string>;
  /** Judged instead of relative L2. It sees whole outputs, padding too, and every output that was fetched. */
  metric?: Metric | undefined;
}

/** One output of the reference, and which of its elements count. */
interface Judged {
  name: string;
  values: OutputValues;
  kept: Uint8Array | undefined;
  /** Bucket and sign by element, `leftOut` where it does not count. */
  codes: Uint16Array;
}
const leftOut = 0xffff;

/**
 * Judges candidates against one sample's reference. What a mask leaves out has no say in any figure. An output that is not finite where the reference is, or
 * has another shape, is infinitely wrong, whatever a metric says of it.
 */
export class OutputJudge {
  private readonly judged: readonly Judged[];
  private readonly reference: Readonly<Record<string, OutputValues>>;
  /** Masks that apply, with the outputs that they apply to. */
  readonly masked: readonly { input: string; outputs: readonly string[]; leftOut: number; of: number }[];

  constructor(
    reference: ReadonlyMap<string, TensorValue>,
    private readonly o: JudgeOptions,
  ) {
    this.reference = allFloats(reference);
    const used = new Map<PaddingMask, string[]>();
    this.judged = o.outputs.map((name) => {
      const values = this.reference[name];
      if (values === undefined) throw new InternalError(`There is no reference of output "${name}".`);
      const found = maskOf(values.dims, o.masks ?? []);
      const kept = found && keptElements(values.dims, found);
      const codes = projectionOf(values.data.length);
      if (found === undefined || kept?.includes(1) !== true) return { name, values, kept: undefined, codes };
      used.set(found.mask, [...(used.get(found.mask) ?? []), name]);
      return { name, values, kept, codes: codes.map((c, i) => (kept[i] ? c : leftOut)) };
    });
    this.masked = [...used].map(([mask, outputs]) => ({
      input: mask.input,
      outputs,
      leftOut: mask.kept.reduce((n, k) => n + 1 - k, 0),
      of: mask.kept.length,
    }));
  }

  async judge(candidate: ReadonlyMap<string, TensorValue>, wanted: Wanted = {}): Promise<OutputError> {
    const found = this.judged.map((output) => {
      const value = candidate.get(output.name);
      const floats = value && floatsOf(value);
      return this.compare(output, floats, wanted);
    });
    const nonFinite = found.some((f) => f.figures.nonFinite > 0);
    const perOutput = found.map((f) => f.figures.relativeL2);
    const metric = this.o.metric && numberOr(Number.POSITIVE_INFINITY, await this.o.metric(this.reference, allFloats(candidate)));
    const error = nonFinite ? Number.POSITIVE_INFINITY : (metric ?? perOutput.reduce((a, b) => Math.max(a, b), 0));
    return {
      error,
      perOutput,
      maxAbs: found.reduce((m, f) => Math.max(m, f.figures.nonFinite > 0 ? Number.POSITIVE_INFINITY : f.figures.maxAbs), 0),
      nonFinite,
      ...(metric !== undefined && { metric: nonFinite ? Number.POSITIVE_INFINITY : metric }),
      ...(wanted.figures && { figures: Object.fromEntries(found.map((f, i) => [this.judged[i]?.name ?? "", f.figures])) }),
      ...(wanted.signed && { signed: found.map((f) => f.signed ?? "") }),
    };
  }

  private compare(
    { name, values, kept, codes }: Judged,
    candidate: OutputValues | undefined,
    wanted: Wanted,
  ): { figures: OutputFigures; signed?: string } {
    const reference = values.data;
    const sameShape = candidate?.dims.length === values.dims.length && candidate.dims.every((d, i) => d === values.dims[i]);
    if (candidate === undefined || !sameShape) return { figures: notComparable(Math.max(1, reference.length)) };
    const sums = new Float64Array(projectedLength(codes.length));
    let [count, nonFinite, maxAbs, sumAbs, errors, references, candidates, products] = [0, 0, 0, 0, 0, 0, 0, 0];
    const { data } = candidate;
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i] as number;
      if (code === leftOut) continue;
      count++;
      const r = reference[i] as number;
      const c = data[i] as number;
      const d = c - r;
      if (!(d - d === 0)) {
        // Not finite: the same infinity on both sides is equal, everything else cannot pass.
        if (r !== c) nonFinite++;
        continue;
      }
      const a = d < 0 ? -d : d;
      if (a > maxAbs) maxAbs = a;
      sumAbs += a;
      errors += d * d;
      references += r * r;
      candidates += c * c;
      products += r * c;
      sums[code >> 1] = (sums[code >> 1] as number) + (code & 1 ? -d : d);
    }
    const pairs = count - nonFinite;
    const relative = errors === 0 ? 0 : references === 0 ? Number.POSITIVE_INFINITY : Math.sqrt(errors / references);
    const classes = wanted.figures && this.o.scores?.has(name) ? classFigures(reference, data, values.dims, kept) : undefined;
    const figures: OutputFigures = {
      count,
      maxAbs,
      meanAbs: pairs === 0 ? 0 : sumAbs / pairs,
      relativeL2: nonFinite > 0 ? Number.POSITIVE_INFINITY : relative,
      cosine: nonFinite > 0 ? Number.NaN : references === 0 && candidates === 0 ? 1 : products / Math.sqrt(references * candidates),
      nonFinite,
      ...(classes && { classes }),
    };
    const projected = wanted.signed && Number.isFinite(figures.relativeL2) && errors > 0;
    return { figures, ...(projected && { signed: packProjection(sums.map((v) => v / Math.sqrt(references))) }) };
  }
}

const notComparable = (count: number): OutputFigures => ({
  count,
  maxAbs: 0,
  meanAbs: 0,
  relativeL2: Number.POSITIVE_INFINITY,
  cosine: Number.NaN,
  nonFinite: count,
});

const numberOr = (other: number, value: unknown): number => (typeof value === "number" && !Number.isNaN(value) ? value : other);

function allFloats(values: ReadonlyMap<string, TensorValue>): Readonly<Record<string, OutputValues>> {
  return Object.fromEntries(
    [...values].flatMap(([name, value]) => {
      const floats = floatsOf(value);
      return floats === undefined ? [] : [[name, floats] as const];
    }),
  );
}
