import { isFloat, type Measurements } from "@halfscope/core";
import { type Markable, markableOf } from "@halfscope/engine";
import { readModel, unfoldModel } from "@halfscope/onnx";
import type { Workbench } from "../workbench.js";

export interface ToMark {
  tensors: readonly Markable[];
  notObserved: readonly { tensor: string; reason: string }[];
}

/**
 * Tensors of a measurement that engines can give out: those of the main graph that every file names. Constants are folded (and some cannot be outputs), graph inputs and
 * final outputs are there anyway.
 */
export async function tensorsToMark(bench: Workbench, measured: Measurements, files: readonly string[]): Promise<ToMark> {
  const { types, view } = await bench.subject();
  const computed = new Map(view.mainOrder.flatMap((node) => node.outputs.map((t) => [t, node] as const)));
  const named = await Promise.all(files.map(namesIn));
  const tensors: Markable[] = [];
  const notObserved: { tensor: string; reason: string }[] = [];
  for (const { tensor } of measured.tensors) {
    const node = computed.get(tensor);
    const reason =
      node === undefined
        ? "it is inside a body of If, Loop or Scan, and engines give out tensors of the main graph only"
        : node.opType === "Constant" || node.opType === "ConstantOfShape"
          ? "it is a constant, which engines fold"
          : !isFloat(types.get(tensor)?.dtype ?? "undefined")
            ? "it is no float tensor"
            : named.some((names) => !names.has(tensor))
              ? "the file has no tensor of that name: it is inside a node that halfscope writes out"
              : undefined;
    if (reason !== undefined) notObserved.push({ tensor, reason });
    // Wherever it is FP32 on one side: twice the bytes, on the safe side.
    else tensors.push(markableOf(tensor, types, "float32"));
  }
  return { tensors, notObserved };
}

/** Tensors that nodes of a file's main graph give, Attention and functions as the file has them. */
async function namesIn(path: string): Promise<ReadonlySet<string>> {
  const model = await readModel(path);
  const { graph } = model.functions.length > 0 ? unfoldModel(model, { expand: false }) : model;
  return new Set(graph.nodes.flatMap((n) => n.outputs));
}
