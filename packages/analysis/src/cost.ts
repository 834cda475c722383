import { elementCount, type TensorTypes } from "@halfscope/core";
import type { Node } from "@halfscope/onnx";
import { type FloatGraph, movedInputs, readsShapeOnly } from "@halfscope/precision";

/** Floating-point operations that cost as much as one byte moved, on a GPU with tensor cores (about 1e15 FP16 FLOP/s at 5e12 byte/s, half used). */
const operationsPerByte = 100;

/**
 * Work of each layer in bytes moved plus products' operations at their price in bytes. A rough roofline: good enough to prefer cheap pins, not to
 * predict latency. Sizes that are not known count as 1.
 */
export function workByLayer(floats: FloatGraph, types: TensorTypes): ReadonlyMap<string, number> {
  const work = new Map<string, number>();
  for (const node of floats.view.order) {
    const layer = floats.layerOf.get(node.index);
    const touches = [...node.inputs, ...node.outputs].some((t) => types.get(t)?.dtype === "float32");
    if (layer === undefined || !touches || readsShapeOnly(node)) continue;
    const size = (t: string) => (types.get(t)?.dtype === "float32" ? sizeOf(t, types) : 0);
    const gather = node.opType === "Gather" || movedInputs(node) !== undefined;
    const outputs = node.outputs.reduce((n, t) => n + size(t), 0);
    const bytes = 4 * (gather ? 2 * outputs : outputs + node.inputs.reduce((n, t) => n + size(t), 0));
    work.set(layer, (work.get(layer) ?? 0) + bytes + operationsOf(node, types, outputs) / operationsPerByte);
  }
  return work;
}

const dimsOf = (t: string | undefined, types: TensorTypes): readonly number[] => (types.get(t ?? "")?.dims ?? []).map((d) => d ?? 1);
const sizeOf = (t: string, types: TensorTypes): number => elementCount(dimsOf(t, types));

function operationsOf(node: Node, types: TensorTypes, outputs: number): number {
  if (node.opType === "MatMul" || node.opType === "FusedMatMul") return 2 * outputs * (dimsOf(node.inputs[0], types).at(-1) ?? 1);
  if (node.opType === "Gemm")
    return 2 * outputs * (dimsOf(node.inputs[0], types).at(node.attributes.get("transA")?.int === 1 ? 0 : -1) ?? 1);
  if (node.opType === "Conv") return 2 * outputs * elementCount(dimsOf(node.inputs[1], types).slice(1));
  return 0;
}

/** Share of the work of all layers that the given ones make up. */
export function shareOf(layers: Iterable<string>, work: ReadonlyMap<string, number>): number {
  const total = [...work.values()].reduce((a, b) => a + b, 0);
  let part = 0;
  for (const l of new Set(layers)) part += work.get(l) ?? 0;
  return total === 0 ? 0 : part / total;
}
