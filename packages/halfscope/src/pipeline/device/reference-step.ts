import { type EngineRecord, relativeL2 } from "@halfscope/core";
import { compareOutputs, mergeCompared } from "./device-values.js";
import type { KeptEngine } from "./engine-journal.js";
import { recordOf, timesOf } from "./measure-engine.js";
import { engineTitle } from "./options.js";
import type { DeviceSession } from "./session.js";

/** Beyond this relative difference the engine's FP32 is not what ONNX Runtime computes on a CPU: other sums alone give 1e-6 to 1e-4. */
const sameModel = 1e-3;

/** For the journal. */
export const referenceKey = (s: DeviceSession): object => ({ ...s.identity, reference: true });

export const referenceTitle = "FP32, TF32 off";

/** The FP32 engine, TF32 off, unmarked: what everything on the device is compared with. Its own final outputs against the CPU's tell whether it computes the same model. */
export async function referenceStep(s: DeviceSession): Promise<EngineRecord> {
  const key = referenceKey(s);
  let kept = s.journal.get("engine", key);
  if (kept === undefined) {
    kept = await build(s);
    s.journal.add("engine", key, kept);
  }
  const name = engineTitle(s.environment);
  for (const { output, reason } of kept.notCompared ?? [])
    s.warn(
      `Output "${output}" of the FP32 engine of ${name} cannot be held against ONNX Runtime's FP32 on the CPU: ${reason}. ${elsewhere}`,
    );
  for (const [output, stats] of Object.entries(kept.outputs ?? {})) {
    const difference = stats.nonFiniteMismatch > 0 ? Number.POSITIVE_INFINITY : relativeL2(stats);
    if (difference > sameModel)
      s.warn(
        `The FP32 engine of ${name} differs from ONNX Runtime's FP32 on the CPU by ${difference.toPrecision(3)} (relative L2) in output "${output}". ${elsewhere}`,
      );
  }
  return recordOf(s, { role: "reference", title: referenceTitle }, kept);
}

const elsewhere =
  "The engine computes something else already, and no pin can mend that: cut the model with `halfscope extract`, and hold the pieces' FP32 against the CPU's.";
const sides = ["ONNX Runtime on the CPU", "the engine"] as const;

async function build(s: DeviceSession): Promise<KeptEngine> {
  await using engine = await s.engine({ label: "FP32", path: await s.files.reference(), precision: { kind: "full" } });
  const outputs = await s.outputsOf(engine);
  await s.setReference(outputs);
  const samples = [];
  for (const [i, feed] of s.bench.feeds.entries())
    samples.push(await compareOutputs((await s.bench.reference(feed)).outputs, outputs[i] ?? new Map(), s.outputs, sides));
  const { stats, notCompared } = mergeCompared(samples);
  return {
    typing: "full",
    pins: [],
    marked: 0,
    buildSeconds: engine.buildSeconds,
    ...(engine.planBytes !== undefined && { planBytes: engine.planBytes }),
    messages: engine.messages,
    outputs: Object.fromEntries(stats),
    ...(notCompared && { notCompared }),
    ...(await timesOf(s, engine)),
    ...(engine.placement && { placement: engine.placement }),
  };
}
