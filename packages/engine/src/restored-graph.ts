import { InputError, numberFromDtype, type TensorTypes } from "@halfscope/core";
import { editNode, type GraphView, type Model, type Node } from "@halfscope/onnx";
import { GraphBuilder, operatorDomain } from "./graph-builder.js";
import { feedInputs } from "./infer-types.js";

export interface RestoredGraphOptions {
  model: Model;
  view: GraphView;
  types: TensorTypes;
  feedShapes: ReadonlyMap<string, readonly number[]>;
  /** Operators that hand values on unchanged: what they get rounded, they give rounded. */
  isMover: (node: Node) => boolean;
}

/** The switch that every rounding of a restored graph listens to; it must be on. */
export const restoredSwitches = Uint8Array.of(1);

/**
 * Turns an FP16 or mixed-precision file into an FP32 graph that computes what FP16 hardware would: a rounding behind every node with FP16 results, FP16
 * weights widened. ONNX Runtime's own CPU kernels would compute such a file in FP32 and drop Casts, which hides the loss.
 * Throws ERR_MODEL_UNSUPPORTED for FP16 inside subgraphs and functions.
 */
export function buildRestoredGraph(o: RestoredGraphOptions): Uint8Array {
  const { model, view, types } = o;
  const builder = new GraphBuilder(model);
  const isHalf = (t: string) => types.get(t)?.dtype === "float16";
  const functions = new Set(model.functions.map((f) => `${f.domain}:${f.name}`));
  const round = (from: string, to: string) =>
    builder.node({
      name: `${to}/round`,
      opType: "Round",
      domain: operatorDomain,
      inputs: [from],
      outputs: [to],
      attributes: { switch: 0, scalar: types.get(to)?.dims?.length === 0 ? 1 : 0 },
    });
  const widen = (from: string, to: string, where: "first" | "middle") =>
    builder.node(
      { name: `${to}/widen`, opType: "Cast", inputs: [from], outputs: [to], attributes: { to: numberFromDtype("float32") } },
      where,
    );

  const renamed = new Map<string, string>();
  for (const v of feedInputs(view)) {
    const dims = o.feedShapes.get(v.name);
    builder.input(v.name, { dtype: isHalf(v.name) ? "float32" : v.dtype, dims });
    if (!isHalf(v.name)) continue;
    round(v.name, `${v.name}#c`);
    renamed.set(v.name, `${v.name}#c`);
  }
  for (const init of view.initializers.values()) {
    if (init.dtype !== "float16") builder.initializer(init);
    else {
      builder.initializer(init, `${init.name}#f16`);
      widen(`${init.name}#f16`, init.name, "first");
    }
  }
  const name = (t: string) => renamed.get(t) ?? t;
  for (const node of view.order) {
    const halfInputs = node.inputs.some(isHalf) || (view.outer.get(node)?.some(isHalf) ?? false);
    const halfOutputs = node.outputs.filter(isHalf);
    const holdsMore = functions.has(`${node.domain}:${node.opType}`) || [...node.attributes.values()].some((a) => a.graphs !== undefined);
    if (holdsMore && (halfInputs || halfOutputs.length > 0))
      throw new InputError(
        "ERR_MODEL_UNSUPPORTED",
        `Node ${node.name || node.outputs[0]} (${node.opType}) uses FP16 inside a subgraph or function, which halfscope cannot emulate yet.`,
        {
          hint: "Keep control flow in FP32 when converting the model.",
        },
      );
    const cast = node.domain === "" && node.opType === "Cast" && types.get(node.inputs[0] ?? "")?.dtype !== undefined;
    const from = node.inputs[0] ?? "";
    const to = node.outputs[0] ?? "";
    if (cast && isHalf(from) && types.get(to)?.dtype === "float32") {
      builder.node({ name: node.name, opType: "Identity", inputs: [name(from)], outputs: [to] });
    } else if (cast && isHalf(to) && (isHalf(from) || types.get(from)?.dtype === "float32")) {
      round(name(from), to);
    } else if (halfOutputs.length > 0 && !halfInputs) {
      // Constants and conversions: the operator itself makes FP16 values; widening keeps them.
      builder.node(editNode(node, { input: name, outer: name, output: (t) => (isHalf(t) ? `${t}#f16` : t) }));
      for (const t of halfOutputs) widen(`${t}#f16`, t, "middle");
    } else {
      const rounds = halfOutputs.length > 0 && !o.isMover(node);
      builder.node(editNode(node, { input: name, outer: name, output: (t) => (rounds && isHalf(t) ? `${t}#raw` : t) }));
      if (rounds) for (const t of halfOutputs) round(`${t}#raw`, t);
    }
  }
  for (const v of view.graph.outputs) builder.output(v.name);
  return builder.finish();
}
