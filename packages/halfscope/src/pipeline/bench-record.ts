import type { Batching, BenchEngine, BenchRole, DeviceEnvironment } from "@halfscope/core";
import type { DeviceEngine } from "@halfscope/engine";
import type { Model } from "@halfscope/onnx";
import { notRealHalf } from "./device/options.js";

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

/** What a reader of the figures should know, first what changes their meaning. */
export function benchNotes(o: {
  /** The model itself computes in FP16 or bfloat16. */
  half: boolean;
  batching: Batching;
  environment: DeviceEnvironment;
  candidate: boolean;
  notes: readonly string[];
}): string[] {
  const { batching, environment } = o;
  return [
    ...(!environment.capabilities.realHalf && (o.candidate || o.half) ? [notRealHalf(environment)] : []),
    ...(o.half ? ["The model is in FP16 or bfloat16 itself: differences are against itself, sent singly, and not against FP32."] : []),
    ...(!o.candidate && !o.half ? ["The model is served as it is, in FP32: what differs from single requests is batching alone."] : []),
    batching.how,
    ...(batching.advice === undefined ? [] : [batching.advice]),
    ...o.notes,
  ];
}
