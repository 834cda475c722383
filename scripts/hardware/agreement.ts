/** Errors that halfscope predicts for an engine beside those that a GPU measured, tensor by tensor. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { measure } from "@halfscope/analysis";
import { type EngineName, InputError, isTensorValue, meanAbs, type ProfileChanges } from "@halfscope/core";
import type { GraphView } from "@halfscope/onnx";
import { allHalf } from "@halfscope/precision";
import { Workbench } from "halfscope";

/** A file of test/hardware/tensorrt-h200, as `tensorrt-store.py` writes it. */
export interface StoredErrors {
  readonly tensorrt: string;
  readonly gpu: string;
  readonly subject: {
    readonly model: string;
    readonly sha256: string;
    readonly inputs: readonly { readonly name: string; readonly dims: readonly number[]; readonly sha256: string }[];
  };
  /** Rows: tensor, count, maxAbs, meanAbs, rmsError, rmsReference, non-finite values of the reference, of the candidate. */
  readonly tensors: readonly (readonly [string, number, number, number, number, number, number, number])[];
  readonly outputsUnmarked: StoredErrors["tensors"];
}

/** One tensor, errors as means of magnitudes. */
export interface Pair {
  readonly tensor: string;
  readonly predicted: number;
  readonly measured: number;
  /** Root mean square of the reference. */
  readonly rms: number;
  /** Nodes on the longest way from an input. */
  readonly depth: number;
}

export interface Agreement {
  /** Tensors with an error on both sides. */
  readonly pairs: readonly Pair[];
  /** Tensors without an error on one side only. */
  readonly oneSided: readonly Pair[];
  /** predicted / measured. */
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** Rank correlation of error / RMS. */
  readonly spearman: number;
  /** The same for a predictor that knows no numbers: an error in proportion to magnitude and depth. */
  readonly nullSpearman: number;
}

export const readStored = async (path: string): Promise<StoredErrors> => JSON.parse(await readFile(path, "utf8")) as StoredErrors;

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** SHA-256 of a file of any size. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}

export interface PredictOptions {
  readonly like: EngineName;
  readonly profile?: ProfileChanges;
  /** Files as `--feed` takes them; made up when absent. */
  readonly feeds?: readonly string[];
}

/** Runs the prediction for the stored model and inputs. Throws ERR_FEED when model or inputs are others than those that were measured. */
export async function predict(stored: StoredErrors, path: string, { like, profile, feeds }: PredictOptions): Promise<Pair[]> {
  if ((await sha256OfFile(path)) !== stored.subject.sha256) throw new InputError("ERR_FEED", `${path} is not the model that was measured.`);
  const shapes = Object.fromEntries(stored.subject.inputs.map((i) => [i.name, i.dims]));
  using bench = await Workbench.open(path, { like, ...(profile && { profile }), ...(feeds ? { feeds } : { shapes, samples: 1 }) });
  const [feed] = bench.feeds;
  for (const input of stored.subject.inputs) {
    const value = feed.tensors.get(input.name);
    if (value === undefined || !isTensorValue(value) || sha256(value.data) !== input.sha256)
      throw new InputError("ERR_FEED", `Input "${input.name}" is not the one that was measured.`);
  }
  const plan = allHalf(bench.model.digest, bench.profile.constants, bench.precision);
  const run = await measure(await bench.subject(), feed, { mode: "accumulated", plan, progress: bench.progress });
  const depths = depthsOf(bench.view);
  const predicted = new Map(run.tensors.map((t) => [t.tensor, t.stats]));
  return stored.tensors.flatMap(([tensor, , , measured, , rms]) => {
    const stats = predicted.get(tensor);
    return stats === undefined ? [] : [{ tensor, predicted: meanAbs(stats), measured, rms, depth: depths.get(tensor) ?? 0 }];
  });
}

/** Nodes on the longest way from an input, by tensor. */
export function depthsOf(view: GraphView): Map<string, number> {
  const depths = new Map<string, number>();
  for (const node of view.mainOrder) {
    const depth = 1 + Math.max(0, ...node.inputs.map((i) => depths.get(i) ?? 0));
    for (const output of node.outputs) depths.set(output, depth);
  }
  return depths;
}

export function agreementOf(all: readonly Pair[]): Agreement {
  const pairs = all.filter((p) => p.predicted > 0 && p.measured > 0);
  const oneSided = all.filter((p) => p.predicted > 0 !== p.measured > 0);
  const ratios = pairs.map((p) => p.predicted / p.measured).sort((a, b) => a - b);
  const at = (q: number) => ratios[Math.min(ratios.length - 1, Math.floor(q * ratios.length))] ?? Number.NaN;
  const measured = pairs.map((p) => p.measured / p.rms);
  return {
    ...{ pairs, oneSided, median: at(0.5), low: at(0.05), high: at(0.95) },
    spearman: spearman(
      pairs.map((p) => p.predicted / p.rms),
      measured,
    ),
    nullSpearman: spearman(
      pairs.map((p) => p.depth),
      measured,
    ),
  };
}

/** Ranks from 0; equal values share the mean of theirs. */
function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  const out = new Array<number>(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to + 1 < order.length && values[order[to + 1] ?? 0] === values[order[from] ?? 0]) to++;
    for (let i = from; i <= to; i++) out[order[i] ?? 0] = (from + to) / 2;
    from = to + 1;
  }
  return out;
}

/** Spearman's rank correlation. */
export function spearman(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [ranks(a), ranks(b)];
  const mean = (a.length - 1) / 2;
  let [xy, xx, yy] = [0, 0, 0];
  x.forEach((r, i) => {
    const [dx, dy] = [r - mean, (y[i] ?? 0) - mean];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  });
  return xy / Math.sqrt(xx * yy);
}

/** For people. */
export const describeAgreement = (a: Agreement): string =>
  `${a.pairs.length} tensors, predicted / measured mean error: median ${a.median.toFixed(3)}, 5 % ${a.low.toFixed(3)}, 95 % ${a.high.toFixed(3)}; ` +
  `Spearman of error / RMS ${a.spearman.toFixed(4)} (magnitude x depth: ${a.nullSpearman.toFixed(4)}); ${a.oneSided.length} tensors with an error on one side only`;
