import { dirname, join } from "node:path";
import { measure, prepareSubject, type Subject } from "@halfscope/analysis";
import { type ErrorSummary, HalfscopeError, type Measurements, silentProgress, type TensorValue } from "@halfscope/core";
import { type Feed, OutputEngine } from "@halfscope/engine";
import { type Region, readModel, unfoldModel } from "@halfscope/onnx";
import { allHalf } from "@halfscope/precision";
import { applyPlan } from "./apply.js";
import type { Workbench } from "./workbench.js";

/** Errors of one output, as far as they could be measured. */
export interface ExtractedOutput {
  tensor: string;
  /** In the whole model: what its layer's own roundings add, and what arrives there. */
  isolated: ErrorSummary | undefined;
  accumulated: ErrorSummary | undefined;
  /** In the extract alone, every layer of it in FP16. */
  alone: ErrorSummary | undefined;
}
export interface Alone {
  measured: Measurements | undefined;
  sameReference: boolean;
  /** `model.fp16.onnx` was written. */
  half: boolean;
}

/** Runs the written extract: in FP32, which must give what was recorded, and in FP16. */
export async function measureAlone(
  path: string,
  feed: Feed,
  region: Region,
  values: ReadonlyMap<string, TensorValue>,
  bench: Workbench,
  notes: string[],
): Promise<Alone> {
  const { threads, signal, progress } = bench;
  const result: Alone = { measured: undefined, sameReference: false, half: false };
  const attempt = async (what: string, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof HalfscopeError) || error.code === "ERR_CANCELLED" || error.code === "ERR_OUTPUT_NOT_WRITABLE") throw error;
      notes.push(`${what}: ${error.message}`);
    }
  };
  await attempt("The extract does not run", async () => {
    const model = unfoldModel(await readModel(path));
    const subject = await prepareSubject(model, feed, { threads });
    using engine = await OutputEngine.reference(subject, { threads });
    engine.setFeed(feed);
    const { outputs } = await engine.outputsOf({ fetch: region.outputs, signal });
    result.sameReference = region.outputs.every((t) => same(outputs.get(t), values.get(t)));
    const plan = allHalf(model.digest, "overflow");
    await attempt("The extract cannot be measured in FP16", async () => {
      result.measured = await measure(subject, feed, {
        mode: "accumulated",
        plan,
        progress,
        signal,
        observe: (t) => region.outputs.includes(t),
      });
    });
    await attempt("There is no model.fp16.onnx", async () => {
      await applyPlan(subject, plan, join(dirname(path), "model.fp16.onnx"), { progress: silentProgress, signal });
      result.half = true;
    });
  });
  return result;
}

export async function measureWhole(
  bench: Workbench,
  subject: Subject,
  region: Region,
  notes: string[],
): Promise<{ isolated?: Measurements; accumulated?: Measurements }> {
  const common = {
    plan: allHalf(bench.model.digest, "overflow"),
    progress: bench.progress,
    signal: bench.signal,
    observe: (t: string) => region.outputs.includes(t),
  };
  try {
    const isolated = await measure(subject, bench.feeds[0], { ...common, mode: "isolated" });
    return { isolated, accumulated: await measure(subject, bench.feeds[0], { ...common, mode: "accumulated" }) };
  } catch (error) {
    if (!(error instanceof HalfscopeError) || error.code === "ERR_CANCELLED") throw error;
    notes.push(`The whole model cannot be measured: ${error.message}`);
    return {};
  }
}

/** same: alone, every output is at least half as wrong as its layer's own roundings make it in the whole model; undefined where nothing could be measured. */
export function faultOf(outputs: readonly ExtractedOutput[]): "same" | "smaller" | undefined {
  const both = outputs.filter((o) => o.isolated !== undefined && o.alone !== undefined);
  if (both.length === 0) return undefined;
  return both.every(({ isolated, alone }) => showsAtLeast(alone as ErrorSummary, isolated as ErrorSummary)) ? "same" : "smaller";
}
const showsAtLeast = (alone: ErrorSummary, isolated: ErrorSummary): boolean =>
  isolated.nonFiniteMismatch > 0 ? alone.nonFiniteMismatch > 0 : alone.nonFiniteMismatch > 0 || alone.relativeL2 >= isolated.relativeL2 / 2;

const same = (a: TensorValue | undefined, b: TensorValue | undefined): boolean =>
  a !== undefined && b !== undefined && a.dtype === b.dtype && a.dims.join() === b.dims.join() && Buffer.compare(a.data, b.data) === 0;
