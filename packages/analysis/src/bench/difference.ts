import {
  type BenchDifference,
  type ErrorStats,
  elementCount,
  finitePairs,
  isFloat,
  mergeStats,
  relativeL2,
  type TensorValue,
} from "@halfscope/core";
import { keptElements, maskOf, type PaddingMask } from "../judge/judge-padding.js";
import type { Outputs } from "./outputs.js";

/** Statistics of two float32 tensors of one element count: the addon's, or a plain one in tests. */
export type CompareTensors = (reference: TensorValue, candidate: TensorValue) => Promise<ErrorStats>;

/** The same request twice: what it should give, and what it gave. */
export interface ComparedRequest {
  /** Number of the request, for the worst one. */
  request: number;
  expected: Outputs;
  found: Outputs;
  /** Positions of the request that are padding have no say. */
  masks?: readonly PaddingMask[];
}

/** Outputs that could not be shared out among requests, with the reason. */
export type NotCompared = ReadonlyMap<string, string>;

/**
 * Holds requests against what they should have given. `outputs` are compared, those in `not` listed. Float outputs are FP32 here; the others are compared as
 * decisions, bit by bit.
 */
export async function differenceOf(
  requests: readonly ComparedRequest[],
  outputs: readonly string[],
  compare: CompareTensors,
  not: NotCompared = new Map(),
): Promise<BenchDifference> {
  const merged = new Map<string, ErrorStats>();
  const decisions = new Map<string, { count: number; differing: number }>();
  const notCompared = new Map(not);
  let bitIdentical = true;
  let worst: { request: number; output: string } | undefined;
  let worstError = -1;
  for (const { request, expected, found, masks = [] } of requests)
    for (const output of outputs) {
      if (notCompared.has(output)) continue;
      const [e, f] = [expected.get(output), found.get(output)];
      const problem = whyNot(e, f);
      if (problem !== undefined || e === undefined || f === undefined) {
        notCompared.set(output, problem ?? "the engine gave no tensor");
        continue;
      }
      bitIdentical &&= Buffer.from(e.data.buffer, e.data.byteOffset, e.data.byteLength).equals(f.data);
      if (!isFloat(e.dtype)) {
        const before = decisions.get(output) ?? { count: 0, differing: 0 };
        decisions.set(output, { count: before.count + elementCount(e.dims), differing: before.differing + differing(e, f) });
        continue;
      }
      const stats = await compare(...counting(e, f, masks));
      const known = merged.get(output);
      merged.set(output, known === undefined ? stats : mergeStats(known, stats));
      const error = errorOf(stats);
      if (error > worstError) [worstError, worst] = [error, { request, output }];
    }
  const stats = [...merged.values()];
  const pairs = stats.reduce((n, s) => n + finitePairs(s), 0);
  return {
    requests: requests.length,
    bitIdentical,
    maxAbs: stats.reduce((max, s) => Math.max(max, s.maxAbs), 0),
    meanAbs: pairs === 0 ? 0 : stats.reduce((sum, s) => sum + s.sumAbs, 0) / pairs,
    relativeL2: Math.max(0, worstError),
    notFinite: stats.reduce((n, s) => n + s.nonFiniteMismatch, 0),
    ...(worst && { worst }),
    outputs: Object.fromEntries(merged),
    ...(decisions.size > 0 && { decisions: Object.fromEntries(decisions) }),
    ...(notCompared.size > 0 && { notCompared: [...notCompared].map(([output, reason]) => ({ output, reason })) }),
  };
}

/** Relative L2 of one output; Infinity as soon as a pair cannot be compared. */
const errorOf = (s: ErrorStats): number => (s.nonFiniteMismatch > 0 ? Number.POSITIVE_INFINITY : relativeL2(s));

function whyNot(expected: TensorValue | undefined, found: TensorValue | undefined): string | undefined {
  if (expected === undefined || found === undefined) return "the engine gave no tensor";
  if (isFloat(expected.dtype) !== isFloat(found.dtype)) return `one side is ${expected.dtype}, the other ${found.dtype}`;
  const shapes = [expected, found].map((t) => `[${t.dims.join(", ")}]`);
  return shapes[0] === shapes[1] ? undefined : `the two have different sizes: ${shapes.join(" and ")}`;
}

/** The elements that count, of both. */
function counting(expected: TensorValue, found: TensorValue, masks: readonly PaddingMask[]): [TensorValue, TensorValue] {
  const mask = maskOf(expected.dims, masks);
  if (mask === undefined) return [expected, found];
  const kept = keptElements(expected.dims, mask);
  const pick = (t: TensorValue): TensorValue => {
    const data = new Uint8Array(4 * kept.reduce((n, k) => n + k, 0));
    let at = 0;
    for (const [i, k] of kept.entries())
      if (k === 1) {
        data.set(t.data.subarray(4 * i, 4 * i + 4), at);
        at += 4;
      }
    return { dtype: "float32", dims: [data.length / 4], data };
  };
  return [pick(expected), pick(found)];
}

/** Elements that differ in any byte. */
function differing(a: TensorValue, b: TensorValue): number {
  const elements = elementCount(a.dims);
  if (a.data.length !== b.data.length) return elements;
  const width = elements === 0 ? 1 : a.data.length / elements;
  let count = 0;
  // Texts have no width of their own: they count as one.
  if (!Number.isInteger(width)) return Number(!Buffer.from(a.data).equals(b.data));
  for (let i = 0; i < elements; i++) {
    let same = true;
    for (let k = 0; k < width; k++) if (a.data[i * width + k] !== b.data[i * width + k]) same = false;
    if (!same) count++;
  }
  return count;
}
