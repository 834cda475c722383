import {
  type Batching,
  type BenchComparison,
  type BenchDocument,
  type BenchEngine,
  type BenchRole,
  type DeviceEnvironment,
  type HalfType,
  halfWords,
} from "@halfscope/core";
import type { DeviceBuildOptions, DeviceEngine } from "@halfscope/engine";
import type { Model } from "@halfscope/onnx";
import { engineTitle } from "./device/options.js";

type About = Pick<BenchEngine, "title" | "typing"> & {
  half?: BenchEngine["half"] | undefined;
  pins?: BenchEngine["pins"] | undefined;
  made?: boolean;
};

/** What a result keeps of an engine. */
export function engineRecord(
  role: BenchRole,
  engine: DeviceEngine,
  model: Model,
  { title, typing, half, pins, made = false }: About,
): BenchEngine {
  return {
    role,
    title,
    typing,
    ...(!made && { path: model.path }),
    digest: model.digest,
    sizeBytes: model.sizeBytes,
    ...(half && { half }),
    ...(pins && { pins }),
    buildSeconds: engine.buildSeconds,
    ...(engine.planBytes !== undefined && { planBytes: engine.planBytes }),
    messages: engine.messages,
    ...(engine.placement && { placement: engine.placement }),
  };
}

/**
 * The sentence that says so where FP16 or bfloat16 is served and the engine computes it in FP32; undefined elsewhere. What such an engine gives must not be judged against FP32:
 * an overflow does not happen there.
 */
export const notRealHalf = (environment: DeviceEnvironment, served: HalfType | undefined): string | undefined =>
  served === undefined || environment.capabilities.realHalf
    ? undefined
    : `${engineTitle(environment)} computes ${halfWords[served]} operators in FP32, so how far a GPU's ${halfWords[served]} is off FP32 cannot be seen here.`;

/** What was said of building engines, for the result; where the timing cache lies changes no figure. */
export function buildAsked({
  timingCache: _,
  providerOptions = {},
  memoryPools = {},
  ...build
}: DeviceBuildOptions = {}): Pick<BenchDocument["options"], "build"> {
  const pools = Object.entries(memoryPools).map(([pool, bytes]) => [`memory pool ${pool}`, bytes] as const);
  const asked = [...Object.entries(build), ...pools, ...Object.entries(providerOptions)].filter(([, value]) => value !== undefined);
  return asked.length === 0 ? {} : { build: Object.fromEntries(asked) };
}

/** What changes the meaning of the figures, before anything about times. */
export function meaningWarnings(environment: DeviceEnvironment, engines: readonly BenchEngine[], half: boolean): string[] {
  const warnings: string[] = [];
  if (!environment.capabilities.realHalf && (half || engines.length > 1))
    warnings.push(
      `${engineTitle(environment)} computes FP16 operators in FP32: what it loses and how fast it is say nothing about a GPU. \`halfscope verify\` emulates FP16.`,
    );
  for (const { role, placement = [] } of engines) {
    // What was folded, and copies, are listed beside the providers.
    const providers = placement.filter((p) => p.provider.endsWith("ExecutionProvider"));
    const nodes = providers.reduce((n, p) => n + p.nodes, 0);
    const cpu = providers.find((p) => p.provider === "CPUExecutionProvider");
    if (cpu !== undefined && cpu.nodes > 0 && providers.length > 1)
      warnings.push(
        `${cpu.nodes} of ${nodes} nodes of the ${role} run on the CPU (${operatorsOf(cpu.operators)}): every call copies what they read and give.`,
      );
  }
  return warnings;
}

const operatorsOf = (operators: Readonly<Record<string, number>>): string =>
  Object.entries(operators)
    .toSorted((a, b) => b[1] - a[1])
    .slice(0, 4)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ");

/** What a reader of the figures should know. */
export function benchNotes(o: {
  /** The model itself computes in FP16 or bfloat16. */
  half: boolean;
  batching: Batching;
  candidate: boolean;
  comparisons: readonly BenchComparison[];
  notes: readonly string[];
}): string[] {
  const { batching } = o;
  // A shape that fails singly too, or a batch that works with another shape, is no matter of how requests are stacked.
  const fails = (c: BenchComparison) => c.refusal?.kind === "failed";
  const failed = o.comparisons.some(
    (c) =>
      c.batch > 1 &&
      fails(c) &&
      !o.comparisons.some((x) => (x.shape === c.shape && x.batch === 1 && fails(x)) || (x.batch === c.batch && x.refusal === undefined)),
  );
  return [
    ...(o.half ? ["The model is in FP16 or bfloat16 itself: differences are against itself, sent singly, and not against FP32."] : []),
    ...(!o.candidate && !o.half ? ["The model is served as it is, in FP32: what differs from single requests is batching alone."] : []),
    batching.how,
    ...(failed
      ? [
          "Batches failed that were stacked so. Either the model repeats the size of one request inside, which only another export mends, or an input holds the batch at another axis: name them all with --batch-axis, for instance --batch-axis input:0 state:1.",
        ]
      : []),
    ...(batching.advice === undefined ? [] : [batching.advice]),
    ...o.notes,
  ];
}
