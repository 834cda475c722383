import { type DType, EngineError, InputError, isFloat, type TensorType, type TensorTypes } from "@halfscope/core";
import { type Body, editNode, encodeTensor, type GraphView, type Model, stateCount } from "@halfscope/onnx";
import { OrtSession } from "./addon.js";
import { bfloatStandIn } from "./bfloat-stand-in.js";
import { explained } from "./explain-load-failure.js";
import { feedInput, feedInputs, GraphBuilder } from "./graph-builder.js";

/**
 * Types and, where they follow from the feeds' shapes, sizes of every tensor of the view, as ONNX Runtime infers them: a skeleton with every tensor
 * as an output is loaded and never run. Tensors of bodies cannot be outputs, so each body is laid out once more in the main graph, as its first round would
 * see it. `feedShapes` fixes the inputs' sizes; inputs that it lacks keep their symbolic ones.
 * Throws ERR_ENGINE_BUILD when ONNX Runtime refuses the model, with its own words and, where types contradict each other, the node and what to change.
 */
export async function inferTypes(
  model: Model,
  view: GraphView,
  feedShapes: ReadonlyMap<string, readonly number[]> = new Map(),
): Promise<TensorTypes> {
  if (view.bodies.size === 0) return inferFlat(model, view, feedShapes, false);
  try {
    return await inferFlat(model, view, feedShapes, true);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    // A branch that is never taken may not fit the shapes at hand; then nothing is known of bodies, and they stay as they are.
    return inferFlat(model, view, feedShapes, false);
  }
}

/** Marks what is laid out for its types only. */
const laidOut = "halfscope:body:";

async function inferFlat(
  model: Model,
  view: GraphView,
  feedShapes: ReadonlyMap<string, readonly number[]>,
  withBodies: boolean,
): Promise<TensorTypes> {
  const builder = new GraphBuilder(model);
  const standIn = bfloatStandIn(view);
  const types = new Map<string, TensorType>();
  const local = new Set<string>();
  for (const body of [...view.bodies.values()].flat()) {
    for (const v of body.graph.inputs) local.add(v.name);
    for (const i of [...body.graph.initializers, ...body.graph.sparseInitializers]) local.add(i.name);
    for (const n of body.graph.nodes) for (const o of n.outputs) if (o !== "") local.add(o);
  }
  const name = (tensor: string) => (local.has(tensor) ? laidOut + tensor : tensor);
  for (const init of [...view.initializers.values(), ...view.sparse.values()]) {
    types.set(init.name, { dtype: init.dtype, dims: init.dims });
    if (withBodies || !local.has(init.name))
      builder.initializer("values" in init ? init : (standIn?.initializer(init) ?? init), name(init.name));
  }
  for (const v of feedInputs(view)) {
    const dims = feedShapes.get(v.name) ?? v.dims?.map((d) => d.size);
    types.set(v.name, { dtype: v.dtype, dims });
    feedInput(builder, standIn?.value(v) ?? v, dims);
  }
  if (withBodies) for (const [holder, bodies] of view.bodies) for (const body of bodies) layOutInputs(holder.inputs, body, builder, name);
  // Nodes of different bodies may share a name, nodes of one graph may not.
  const nodeNames = new Set(view.mainOrder.map((n) => n.name));
  for (const node of withBodies ? view.order : view.mainOrder) {
    const inBody = view.bodyOf.has(node.index);
    const repeated = inBody && node.name !== "" && nodeNames.has(node.name);
    nodeNames.add(node.name);
    builder.node(
      inBody
        ? editNode(node, {
            input: name,
            output: name,
            outer: name,
            ...(repeated && { name: `${laidOut}${node.index}` }),
            ...(standIn && { attributes: standIn.attributes(node) }),
          })
        : (standIn?.node(node, builder) ?? node.bytes),
    );
    for (const output of node.outputs) if (output !== "") builder.output(name(output));
  }
  const session = await OrtSession.create({
    model: builder.finish(),
    folder: model.folder,
    threads: 1,
    optimization: "disabled",
    prepacking: false,
    switchCount: 0,
    slotCount: 0,
  }).catch((error: unknown) => {
    throw explained(error, view);
  });
  try {
    for (const o of session.outputs) {
      const inBody = o.name.startsWith(laidOut);
      // ONNX Runtime reports rank 0 for a scalar and for a shape that it cannot infer: only what is certain is kept.
      const dims = o.dims.length === 0 ? undefined : o.dims.map((d) => (typeof d === "number" && d >= 0 ? d : undefined));
      const tensor = inBody ? o.name.slice(laidOut.length) : o.name;
      types.set(tensor, { dtype: standIn?.own(tensor, o.dtype) ?? o.dtype, dims });
    }
  } finally {
    session.dispose();
  }
  return types;
}

/** What a body is given, as its first round would be: the Loop's own counters as inputs, states as they start, a Scan's elements as slices. */
function layOutInputs(given: readonly string[], body: Body, builder: GraphBuilder, name: (tensor: string) => string): void {
  const { holder, graph } = body;
  if (holder.opType === "If") return;
  const pass = (opType: string, inputs: readonly string[], to: string | undefined, attributes: Record<string, number> = {}) => {
    if (to === undefined) return;
    builder.node({ name: `${name(to)}/given`, opType, inputs, outputs: [name(to)], attributes }, "middle");
    builder.output(name(to));
  };
  const states = stateCount(holder);
  if (holder.opType === "Loop") {
    const [round, condition] = graph.inputs;
    if (round !== undefined) builder.input(name(round.name), { dtype: "int64", dims: [] });
    if (condition !== undefined) builder.input(name(condition.name), { dtype: "bool", dims: [] });
    for (let k = 0; k < states; k++) pass("Identity", [name(given[2 + k] ?? "")], graph.inputs[2 + k]?.name);
    return;
  }
  for (let k = 0; k < states; k++) pass("Identity", [name(given[k] ?? "")], graph.inputs[k]?.name);
  const zero = `${laidOut}zero`;
  builder.tensor(zero, encodeTensor(zero, 7, [], new Uint8Array(8)));
  const axes = holder.attributes.get("scan_input_axes")?.ints ?? [];
  for (let k = states; k < given.length; k++)
    pass("Gather", [name(given[k] ?? ""), zero], graph.inputs[k]?.name, { axis: axes[k - states] ?? 0 });
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
