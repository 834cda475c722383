import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { HalfscopeError, type PrecisionPlan, type ResultDocument, type TensorTypes, UsageError } from "@halfscope/core";
import { inferTypes } from "@halfscope/engine";
import { type Graph, type GraphView, type Model, type Node, readModel, subgraphsOf, unfoldModel, viewGraph } from "@halfscope/onnx";
import { allHalf, planFromOverrides } from "@halfscope/precision";
import type { ExportNode, ExportSubject } from "@halfscope/report";
import { restoreHalfModel } from "./half-model.js";
import { loadResult, resultFiles } from "./results-folder.js";

export interface OpenedResult {
  readonly subject: ExportSubject;
  /** The folder holds a plan; without one, nothing is pinned. */
  readonly planned: boolean;
  readonly notes: readonly string[];
}

/**
 * A results folder with the names of the model's nodes, which the folder does not keep. The plan is `overrides.json`, as a person may have edited it. `modelPath` is where
 * the model lies now. Throws what `loadResult` and `readModel` do, ERR_OVERRIDES_MISMATCH when the file is not the one that was measured.
 */
export async function openResult(folder: string, modelPath: string | undefined): Promise<OpenedResult> {
  const result = await loadResult(folder);
  const file = await readModel(modelPath ?? result.model.path);
  if (file.digest !== result.model.digest)
    throw new UsageError(
      "ERR_OVERRIDES_MISMATCH",
      `${file.path} is not the model that was measured: its digest is ${file.digest.slice(0, 12)}, the folder's ${result.model.digest.slice(0, 12)}.`,
      { hint: "Name the measured file with --model, or measure this one." },
    );
  const unfolded = unfoldModel(file);
  // Of a model that is in FP16 already, the restoration was measured: its nodes are what the folder counts.
  using half = await restoreHalfModel(unfolded, viewGraph(unfolded.graph));
  const model = half?.model ?? unfolded;
  const view = viewGraph(model.graph);
  const notes: string[] = half === undefined ? [] : ["The model is in FP16 already: other converters need its FP32 original."];
  const plan = await planOf(folder, result);
  const types = await typesOf(model, view, result, notes);
  const nodes = nodesOf(view, result, plan ?? allHalf(file.digest, "finite", result.options.precision), types, folder);
  return {
    subject: {
      result,
      plan: plan ?? allHalf(file.digest, "finite", result.options.precision),
      nodes,
      nameCounts: countNames(file.graph, new Map()),
      modelPath: file.path,
    },
    planned: plan !== undefined,
    notes,
  };
}

async function planOf(folder: string, result: ResultDocument): Promise<PrecisionPlan | undefined> {
  const path = join(folder, resultFiles.overrides);
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw new UsageError("ERR_OVERRIDES", `${path} cannot be read: ${cause.message}.`, { hint: "Check its permissions.", cause });
  });
  if (text === undefined) return result.overrides;
  return planFromOverrides(text, { digest: result.model.digest, layers: result.layers }, path);
}

/** Types tell which nodes compute floats. Without the addon, or where ONNX Runtime refuses the model, every node counts as one that does. */
async function typesOf(model: Model, view: GraphView, result: ResultDocument, notes: string[]): Promise<TensorTypes> {
  const shapes = new Map(result.feeds[0]?.map((f) => [f.name, f.dims]));
  try {
    return await inferTypes(model, view, shapes);
  } catch (error) {
    if (!(error instanceof HalfscopeError)) throw error;
    notes.push(`The types of tensors are not known (${error.message}): integer nodes of pinned layers are listed too.`);
    return new Map();
  }
}

function nodesOf(view: GraphView, result: ResultDocument, plan: PrecisionPlan, types: TensorTypes, folder: string): ExportNode[] {
  const layerOf = new Map<number, string>();
  for (const layer of result.layers)
    layer.nodes.forEach((n, i) => {
      // Indices are all that ties a folder to the file: one that means another node would pin the wrong ones.
      if (view.nodes[n] === undefined || view.nodes[n].opType !== layer.operators[i])
        throw new UsageError(
          "ERR_RESULT",
          `${folder} lists node ${n} as ${layer.operators[i] ?? "nothing"}, and in the model it is ${view.nodes[n]?.opType ?? "missing"}.`,
          { hint: "The folder was written by another version of halfscope; measure again." },
        );
      layerOf.set(n, layer.id);
    });
  const pins = new Set(plan.pins.map((p) => p.layer));
  const isPinned = (n: Node) => plan.defaultPrecision === "float32" || pins.has(layerOf.get(n.index) ?? "");
  const isConstant = (n: Node | undefined) => n?.domain === "" && n.opType === "Constant";
  const isFullConstant = (tensor: string) =>
    view.initializers.get(tensor)?.dtype === "float32" || (isConstant(view.producer.get(tensor)) && types.get(tensor)?.dtype === "float32");
  return view.nodes.map((node): ExportNode => {
    const readers = isConstant(node) ? (view.consumers.get(node.outputs[0] ?? "") ?? []) : [];
    return {
      name: node.name,
      opType: node.opType,
      layer: layerOf.get(node.index) ?? "",
      outputs: node.outputs,
      outputTypes: node.outputs.filter((o) => o !== "").map((o) => types.get(o)?.dtype),
      pinned: isPinned(node),
      readByPinned: readers.some((u) => isPinned(u.node)),
      constants: view.bodyOf.has(node.index) ? [] : node.inputs.filter(isFullConstant),
      castsToFloat: node.domain === "" && node.opType === "Cast" && node.attributes.get("to")?.int === 1,
    };
  });
}

/** Node names of a graph and of all bodies in it: what other tools look for. */
function countNames(graph: Graph, counts: Map<string, number>): Map<string, number> {
  for (const node of graph.nodes) {
    counts.set(node.name, (counts.get(node.name) ?? 0) + 1);
    for (const body of subgraphsOf(node)) countNames(body, counts);
  }
  return counts;
}
