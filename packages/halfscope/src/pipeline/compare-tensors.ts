import { findOrigins, rankLayers } from "@halfscope/analysis";
import {
  CancelledError,
  type ErrorStats,
  elementCount,
  type HalfType,
  type Layer,
  type LayerLoss,
  type Measurement,
  type Measurements,
  type Origin,
  type TensorTypes,
  type TensorValue,
} from "@halfscope/core";
import { compareTensors, type EngineInput, type Feed, floatOutputs, OutputEngine } from "@halfscope/engine";
import type { Node } from "@halfscope/onnx";
import { isHalfType, type NameMap } from "@halfscope/precision";
import type { Workbench } from "./workbench.js";

/** Values of the tensors of one group are held at once, twice: of the original and of the converted model. */
const groupBytes = 128e6;
const groupTensors = 256;

export interface TensorComparison {
  /** Accumulated error of every tensor that has a counterpart; names and nodes are the original's. */
  measurements: Measurements;
  origins: readonly Origin[];
  /** Worst first, each by its worst tensor; what is not finite comes before every number. */
  layers: readonly LayerLoss[];
}

/**
 * Where a converted model loses precision: each of its float tensors that has a counterpart, emulated, against the original's, on one sample. Both models
 * run once per group of tensors, so that memory stays bounded whatever the model's size.
 */
export async function compareMappedTensors(
  bench: Workbench,
  feed: Feed,
  converted: EngineInput & { isMover: (node: Node, type: HalfType) => boolean },
  names: NameMap,
): Promise<TensorComparison> {
  const subject = await bench.subject(feed);
  const pairs = pairsOf(subject, converted, names);
  const step = bench.progress.step(`Comparing ${pairs.length} tensors`, pairs.length);
  const found = new Map<string, ErrorStats>();
  let done = 0;
  for (const group of groupsOf(pairs, converted.types)) {
    if (bench.signal?.aborted) throw new CancelledError();
    const [own, other] = [group.map((p) => p.original), group.map((p) => p.converted)];
    const reference = await valuesOf(await OutputEngine.reference(subject, { threads: bench.threads }, own), own, feed, bench);
    const candidate = await valuesOf(await OutputEngine.restored(converted, { threads: bench.threads }, other), other, feed, bench);
    for (const pair of group) {
      const [a, b] = [reference.get(pair.original), candidate.get(pair.converted)];
      if (a?.dtype === "float32" && b?.dtype === "float32" && a.data.length === b.data.length)
        found.set(pair.original, await compareTensors(a, b));
      step.update(++done);
    }
  }
  step.end();
  const tensors: Measurement[] = [];
  for (const node of subject.view.mainOrder)
    for (const tensor of node.outputs) {
      const stats = found.get(tensor);
      if (stats !== undefined) tensors.push({ tensor, node: node.index, layer: subject.layerOf.get(node.index) ?? "", stats });
    }
  const outputs = floatOutputs(subject.view, subject.types).flatMap((name) =>
    found.has(name) ? [[name, found.get(name) as ErrorStats]] : [],
  );
  const measurements: Measurements = {
    mode: "accumulated",
    constants: "overflow",
    tensors,
    outputs: Object.fromEntries(outputs),
    coverage: { compared: tensors.length, "not-float": 0, constant: 0, "not-executed": 0, "not-supported": names.unmapped.length },
    notSupported: names.unmapped.map((tensor) => ({ tensor, reason: "it has no counterpart in the original" })),
  };
  const found16 = [...converted.types.values()].some((t) => t.dtype === "float16");
  const type: HalfType = !found16 && [...converted.types.values()].some((t) => t.dtype === "bfloat16") ? "bfloat16" : "float16";
  const origins = findOrigins(measurements, subject.view, new Set(), type);
  return { measurements, origins, layers: lossesOf(measurements, origins, bench.layers, pairs) };
}

interface Pair {
  original: string;
  converted: string;
}

/** The first of the converted model's versions of each tensor: what its node gives, not a Cast of it. What stands inside a body has no one value. */
function pairsOf(own: EngineInput, converted: EngineInput, names: NameMap): Pair[] {
  const first = new Map<string, string>();
  const main = new Set(own.view.mainOrder.flatMap((n) => n.outputs));
  for (const node of converted.view.mainOrder)
    for (const t of node.outputs) {
      const original = names.original.get(t);
      const dtype = converted.types.get(t)?.dtype;
      if (original === undefined || first.has(original) || !main.has(original) || own.types.get(original)?.dtype !== "float32") continue;
      if (!isHalfType(dtype) && dtype !== "float32") continue;
      first.set(original, t);
    }
  return [...first].map(([original, name]) => ({ original, converted: name }));
}

function groupsOf(pairs: readonly Pair[], types: TensorTypes): Pair[][] {
  const groups: Pair[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const pair of pairs) {
    const dims = types.get(pair.converted)?.dims;
    const size = dims?.every((d) => d !== undefined) ? 4 * elementCount(dims) : 4e6;
    if (bytes + size > groupBytes || (groups.at(-1)?.length ?? 0) >= groupTensors) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(pair);
    bytes += size;
  }
  return groups;
}

async function valuesOf(made: OutputEngine, tensors: readonly string[], feed: Feed, bench: Workbench): Promise<Map<string, TensorValue>> {
  using engine = made;
  engine.setFeed(feed);
  return (await engine.outputsOf({ fetch: tensors, signal: bench.signal })).outputs;
}

/** By layer, as a comparison ranks them; movers only repeat what they were given. */
function lossesOf(measurements: Measurements, origins: readonly Origin[], layers: readonly Layer[], pairs: readonly Pair[]): LayerLoss[] {
  const kinds = new Map(layers.map((l) => [l.id, l.kind]));
  const converted = new Map(pairs.map((p) => [p.original, p.converted]));
  return rankLayers(layers, { accumulated: measurements }, origins).layers.flatMap(({ layer, accumulated }) =>
    accumulated === undefined || kinds.get(layer) === "mover"
      ? []
      : [{ layer, converted: converted.get(accumulated.tensor) ?? accumulated.tensor, accumulated }],
  );
}
