import {
  type HalfType,
  halfWords,
  InputError,
  type ProductSums,
  switchHalfSums,
  switchHalfSumsExact,
  switchRound,
  switchRoundBfloat16,
  switchTensorCoreSums,
  type TensorTypes,
} from "@halfscope/core";
import {
  type Body,
  castTarget,
  editNode,
  encodeAttribute,
  encodeTensor,
  encodeValueInfo,
  type Graph,
  type GraphView,
  type Model,
  type Node,
  type ValueInfo,
  whyClosed,
} from "@halfscope/onnx";
import { feedInput, feedInputs, GraphBuilder, type LevelBuilder, operatorDomain, withBodies } from "./graph-builder.js";
import { productNode } from "./product-node.js";

export interface RestoredGraphOptions {
  model: Model;
  view: GraphView;
  types: TensorTypes;
  feedShapes: ReadonlyMap<string, readonly number[]>;
  /** Operators that hand values on unchanged: what they get rounded to a type, they give rounded to it. */
  isMover: (node: Node, type: HalfType) => boolean;
  /** How products in FP16 sum; in FP32 as ONNX Runtime does where it says nothing. */
  sumsOf?: ((node: Node) => ProductSums | undefined) | undefined;
  /** Nodes that round together with their only reader, when both are in FP16. */
  keepsFull?: ((node: Node) => boolean) | undefined;
  /** Tensors of the main graph to give out beside the model's outputs, as FP32. */
  extraOutputs?: readonly string[];
}

/** The switches that a restored graph listens to: 0 its roundings to FP16, 1 those to bfloat16, 2 to 4 its products. They must be on. */
export const restoredSwitches = Uint8Array.of(switchRound, switchRoundBfloat16, switchHalfSums, switchHalfSumsExact, switchTensorCoreSums);
const switchOf: Readonly<Record<HalfType, number>> = { float16: 0, bfloat16: 1 };

/**
 * Turns an FP16, bfloat16 or mixed-precision file into an FP32 graph that computes what hardware with those types would: a rounding behind every node with
 * results in them, weights widened. ONNX Runtime's own CPU kernels would compute an FP16 file in FP32 and drop Casts, which hides the loss, and it has none for bfloat16. Bodies are restored like the
 * graph around them: what crosses their borders was rounded where it was made.
 * Throws ERR_MODEL_UNSUPPORTED for FP16 or bfloat16 inside subgraphs that are not opened and functions that are not inlined.
 */
export function buildRestoredGraph(o: RestoredGraphOptions): Uint8Array {
  return new RestoredBuilder(o).build();
}

const asHalf = (dtype: string | undefined): HalfType | undefined => (dtype === "float16" || dtype === "bfloat16" ? dtype : undefined);

class RestoredBuilder {
  private readonly renamed = new Map<string, string>();
  private readonly functions: ReadonlySet<string>;

  constructor(private readonly o: RestoredGraphOptions) {
    this.functions = new Set(o.model.functions.map((f) => `${f.domain}:${f.name}`));
  }

  build(): Uint8Array {
    const { model, view, feedShapes } = this.o;
    const builder = new GraphBuilder(model);
    for (const v of feedInputs(view)) {
      const half = this.isHalf(v.name);
      feedInput(builder, half ? { ...v, dtype: "float32" } : v, feedShapes.get(v.name));
      if (!half) continue;
      this.round(builder, v.name, `${v.name}#c`, v.name);
      this.renamed.set(v.name, `${v.name}#c`);
    }
    this.weights(builder, model.graph);
    for (const node of view.mainOrder) this.node(builder, node);
    for (const v of view.graph.outputs) builder.output(v.name);
    for (const t of this.o.extraOutputs ?? []) builder.output(t);
    return builder.finish();
  }

  private halfType(tensor: string): HalfType | undefined {
    return asHalf(this.o.types.get(tensor)?.dtype);
  }
  private isHalf(tensor: string): boolean {
    return this.halfType(tensor) !== undefined;
  }

  private weights(builder: LevelBuilder, graph: Graph): void {
    for (const init of [...graph.initializers, ...graph.sparseInitializers]) {
      if (asHalf(init.dtype) === undefined) builder.initializer(init);
      else {
        builder.initializer(init, `${init.name}#f16`);
        this.widen(builder, `${init.name}#f16`, init.name, "first");
      }
    }
  }

  private body(around: LevelBuilder, { graph, order }: Body): LevelBuilder {
    const level = around.body();
    const declare = (side: "input" | "output", v: ValueInfo) =>
      level.declared(side, v.name, asHalf(v.dtype) !== undefined ? encodeValueInfo(v.name, 0) : (v.field.payload as Uint8Array));
    for (const v of graph.inputs) declare("input", v);
    this.weights(level, graph);
    for (const node of order) this.node(level, node);
    for (const v of graph.outputs) declare("output", v);
    return level;
  }

  private node(builder: LevelBuilder, node: Node): void {
    const { view, types } = this.o;
    const name = (t: string) => this.renamed.get(t) ?? t;
    const bodies = view.bodies.get(node);
    if (bodies !== undefined) {
      builder.node(
        withBodies(
          node,
          bodies.map((b) => [b.attribute, this.body(builder, b)]),
          { input: name },
        ),
      );
      return;
    }
    const halfInputs = node.inputs.some((t) => this.isHalf(t)) || (view.outer.get(node)?.some((t) => this.isHalf(t)) ?? false);
    const halfOutputs = node.outputs.filter((t) => this.isHalf(t));
    if (halfInputs || halfOutputs.length > 0) this.refuseHidden(node);
    const from = node.inputs[0] ?? "";
    const to = node.outputs[0] ?? "";
    const cast = node.domain === "" && node.opType === "Cast" && types.get(from)?.dtype !== undefined;
    if (cast && this.isHalf(from) && types.get(to)?.dtype === "float32") {
      builder.node({ name: node.name, opType: "Identity", inputs: [name(from)], outputs: [to] });
    } else if (cast && this.isHalf(to) && (this.isHalf(from) || types.get(from)?.dtype === "float32")) {
      this.round(builder, name(from), to);
    } else if (halfOutputs.length > 0 && !halfInputs) {
      if (this.madeInFull(builder, node, halfOutputs)) return;
      // Constants and conversions: the operator itself makes FP16 values; widening keeps them.
      builder.node(editNode(node, { input: name, outer: name, output: (t) => (this.isHalf(t) ? `${t}#f16` : t) }));
      for (const t of halfOutputs) this.widen(builder, `${t}#f16`, t, "middle");
    } else {
      const rounds =
        halfOutputs.length > 0 && !halfOutputs.every((t) => this.o.isMover(node, this.halfType(t) as HalfType)) && !this.isKept(node);
      const raw = (t: string) => (rounds && this.isHalf(t) ? `${t}#raw` : t);
      const sums = this.halfType(to) === "float16" ? this.o.sumsOf?.(node) : undefined;
      const edit = { input: name, outer: name, output: raw };
      if (sums === undefined) builder.node(editNode(node, edit));
      else {
        builder.node(productNode(node, sums, { model: this.o.model, switchIndex: restoredSwitches.indexOf(sums.position), edit }));
        builder.innerType(raw(to), { dtype: "float32", dims: types.get(to)?.dims });
      }
      if (rounds) for (const t of halfOutputs) this.round(builder, `${t}#raw`, t);
    }
  }

  private isKept(node: Node): boolean {
    if (this.o.keepsFull?.(node) !== true || this.halfType(node.outputs[0] ?? "") !== "float16") return false;
    const readers = this.o.view.consumers.get(node.outputs[0] ?? "") ?? [];
    return readers.every((u) => this.halfType(u.node.outputs[0] ?? "") === "float16");
  }

  private refuseHidden(node: Node): void {
    const holds = this.functions.has(`${node.domain}:${node.opType}`) || [...node.attributes.values()].some((a) => a.graphs !== undefined);
    if (!holds) return;
    throw new InputError(
      "ERR_MODEL_UNSUPPORTED",
      `Node ${node.name || node.outputs[0]} (${node.opType}) uses ${this.wordOf(node)} inside a subgraph or function that halfscope cannot look into: ${whyClosed(node) ?? "its function was not inlined"}.`,
      {
        hint: "Keep it in FP32 when converting the model.",
      },
    );
  }

  /** ONNX Runtime fills no bfloat16 tensor: the same in FP32. Says whether that was the case. */
  private madeInFull(builder: LevelBuilder, node: Node, outputs: readonly string[]): boolean {
    const value = node.attributes.get("value")?.tensor;
    if (node.opType !== "ConstantOfShape" || value?.dtype !== "bfloat16" || value.data.kind !== "bytes") return false;
    const [low = 0, high = 0] = value.data.bytes;
    const attribute = encodeAttribute("value", { tensor: encodeTensor("", 1, value.dims, Uint8Array.of(0, 0, low, high)) });
    builder.node(editNode(node, { attributes: new Map([["value", attribute]]) }));
    return outputs.length > 0;
  }

  private wordOf(node: Node): string {
    const tensors = [...node.outputs, ...node.inputs, ...(this.o.view.outer.get(node) ?? [])];
    return halfWords[tensors.map((t) => this.halfType(t)).find((t) => t !== undefined) ?? "float16"];
  }

  /** `like`: the tensor of the file that names the type. */
  private round(builder: LevelBuilder, from: string, to: string, like = to): void {
    const scalar = this.o.types.get(to)?.dims?.length === 0 ? 1 : 0;
    builder.node({
      name: `${to}/round`,
      opType: "Round",
      domain: operatorDomain,
      inputs: [from],
      outputs: [to],
      attributes: { switch: switchOf[this.halfType(like) ?? "float16"], scalar },
    });
  }

  private widen(builder: LevelBuilder, from: string, to: string, where: "first" | "middle"): void {
    builder.node(
      {
        name: `${to}/widen`,
        opType: "Cast",
        inputs: [from],
        outputs: [to],
        attributes: { to: castTarget("float32", this.o.model.opsets.get("") ?? 1) },
      },
      where,
    );
  }
}
