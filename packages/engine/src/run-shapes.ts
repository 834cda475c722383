import { isFloat, type TensorType, type TensorTypes } from "@halfscope/core";
import type { GraphView, Model, Node } from "@halfscope/onnx";
import { OrtSession } from "./addon.js";
import { shapesOfFeed } from "./engines.js";
import type { Feed } from "./feeds/feed.js";
import { feedInput, feedInputs, GraphBuilder } from "./graph-builder.js";

/** Whether the size of anything that is computed in floats did not follow from the feeds' shapes. */
export const lacksShapes = (view: GraphView, types: TensorTypes): boolean =>
  view.mainOrder.some((n) => !isConstant(n) && n.outputs.some((t) => isFloat(types.get(t)?.dtype ?? "unknown") && isUnknown(types.get(t))));

/**
 * Types with the sizes that one run of the reference had. Where shapes are computed, inference leaves them open, and ONNX Runtime tells a scalar and an
 * unknown shape alike; without sizes, costs are rough and no cut is found. Costs a bare pass. Tensors of bodies and of parts that do not run stay as they are.
 */
export async function withRunShapes(model: Model, view: GraphView, types: TensorTypes, feed: Feed, threads: number): Promise<TensorTypes> {
  const unknown = view.mainOrder.flatMap((n) => n.outputs).filter((t) => types.get(t)?.dtype !== "unknown" && isUnknown(types.get(t)));
  const builder = new GraphBuilder(model);
  const feedShapes = shapesOfFeed(feed);
  for (const v of feedInputs(view)) feedInput(builder, v, feedShapes.get(v.name));
  for (const i of model.graph.initializers) builder.initializer(i);
  for (const node of view.mainOrder) builder.node(node.bytes);
  for (const v of view.graph.outputs) builder.output(v.name);
  const names = new Map(unknown.filter((t) => t !== "").map((t, i) => [`halfscope:shape:${i}`, t]));
  // Declared last and in reverse, each shape is taken and its tensor freed as soon as it exists (see pair-graph.ts).
  for (const [name, tensor] of [...names].toReversed()) builder.node({ name, opType: "Shape", inputs: [tensor], outputs: [name] }, "last");
  for (const name of names.keys()) builder.output(name);
  using session = await OrtSession.create({
    model: builder.finish(),
    folder: model.folder,
    threads,
    optimization: "disabled",
    prepacking: false,
    switchCount: 0,
    slotCount: 0,
  });
  for (const [name, tensor] of feed.tensors) session.setFeed(name, tensor);
  const { outputs } = await session.run({ fetch: [...names.keys()] });
  const found = new Map<string, TensorType>(types);
  for (const [name, value] of outputs) {
    const tensor = names.get(name) ?? "";
    const bytes = new DataView(value.data.buffer, value.data.byteOffset, value.data.byteLength);
    const dims = Array.from({ length: value.data.byteLength / 8 }, (_, i) => Number(bytes.getBigInt64(8 * i, true)));
    found.set(tensor, { dtype: types.get(tensor)?.dtype ?? "unknown", dims });
  }
  return found;
}

const isUnknown = (type: TensorType | undefined): boolean => type?.dims === undefined || type.dims.some((d) => d === undefined);
const isConstant = (node: Node): boolean => node.domain === "" && /^Constant/.test(node.opType);
