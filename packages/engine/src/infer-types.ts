import { type DType, InputError, isFloat, type TensorType, type TensorTypes } from "@halfscope/core";
import type { GraphView, Model } from "@halfscope/onnx";
import { OrtSession } from "./addon.js";
import { GraphBuilder } from "./graph-builder.js";

/** Graph inputs that must be fed: those without an initializer of the same name. */
export const feedInputs = (view: GraphView) => view.graph.inputs.filter((v) => !view.initializers.has(v.name));

/**
 * Types and, where they follow from the feeds' shapes, sizes of every tensor of the main graph, as ONNX Runtime infers them: a skeleton with every tensor
 * as an output is loaded and never run. `feedShapes` fixes the inputs' sizes; inputs that it lacks keep their symbolic ones.
 * Throws ERR_ENGINE_BUILD when ONNX Runtime refuses the model, with its own words.
 */
export async function inferTypes(
  model: Model,
  view: GraphView,
  feedShapes: ReadonlyMap<string, readonly number[]> = new Map(),
): Promise<TensorTypes> {
  const builder = new GraphBuilder(model);
  const types = new Map<string, TensorType>();
  for (const init of view.initializers.values()) {
    builder.initializer(init);
    types.set(init.name, { dtype: init.dtype, dims: init.dims });
  }
  for (const v of feedInputs(view)) {
    const dims = feedShapes.get(v.name) ?? v.dims?.map((d) => d.size);
    types.set(v.name, { dtype: v.dtype, dims });
    builder.input(v.name, { dtype: v.dtype, dims });
  }
  for (const node of view.graph.nodes) {
    builder.node(node.bytes);
    for (const output of node.outputs) if (output !== "") builder.output(output);
  }
  const session = await OrtSession.create({
    model: builder.finish(),
    folder: model.folder,
    threads: 1,
    optimization: "disabled",
    prepacking: false,
    switchCount: 0,
    slotCount: 0,
  });
  try {
    for (const o of session.outputs) {
      // ONNX Runtime reports rank 0 for a scalar and for a shape that it cannot infer: only what is certain is kept.
      const dims = o.dims.length === 0 ? undefined : o.dims.map((d) => (typeof d === "number" && d >= 0 ? d : undefined));
      types.set(o.name, { dtype: o.dtype, dims });
    }
  } finally {
    session.dispose();
  }
  return types;
}

/** How many tensors of each type there are; throws ERR_MODEL_NO_FLOAT when none is a float. */
export function requireFloats(model: Model, types: TensorTypes): void {
  const found = new Map<DType, number>();
  for (const { dtype } of types.values()) found.set(dtype, (found.get(dtype) ?? 0) + 1);
  if ([...found.keys()].some(isFloat)) return;
  throw new InputError(
    "ERR_MODEL_NO_FLOAT",
    `${model.path} has no float tensor: ${[...found].map(([d, n]) => `${n} ${d}`).join(", ") || "no tensor at all"}.`,
    {
      hint: "FP16 changes nothing in this model; there is nothing to debug.",
    },
  );
}
