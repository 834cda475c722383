/** Errors that halfscope predicts for an engine beside those that a GPU measured, tensor by tensor. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { depthsOf, type ErrorPair, measure, type TensorAgreement } from "@halfscope/analysis";
import { type EngineName, InputError, isTensorValue, meanAbs, type ProfileChanges } from "@halfscope/core";
import { allHalf } from "@halfscope/precision";
import { Workbench } from "halfscope";

export {
  depthsOf,
  type ErrorPair as Pair,
  spearman,
  type TensorAgreement as Agreement,
  tensorAgreement as agreementOf,
} from "@halfscope/analysis";

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
export async function predict(stored: StoredErrors, path: string, { like, profile, feeds }: PredictOptions): Promise<ErrorPair[]> {
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

/** For people. */
export const describeAgreement = (a: TensorAgreement): string =>
  `${a.pairs.length} tensors, predicted / measured mean error: median ${a.median.toFixed(3)}, 5 % ${a.low.toFixed(3)}, 95 % ${a.high.toFixed(3)}; ` +
  `Spearman of error / RMS ${a.spearman.toFixed(4)} (magnitude x depth: ${a.nullSpearman.toFixed(4)}); ${a.oneSided.length} tensors with an error on one side only`;
