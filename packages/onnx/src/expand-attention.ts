import { type DType, numberFromDtype } from "@halfscope/core";
import { encodeNode, encodeTensor, type NewNode } from "./encode.js";
import { nodeField } from "./node.js";
import type { Model, Node, ValueInfo } from "./types.js";
import { bytesOf, fieldsOf } from "./wire.js";

/** A node that stands for several: what it does, written out. */
export interface Expansion {
  /** The node as the file has it. */
  readonly node: Node;
  /** Outputs of the nodes in its place; the last one gives the node's own output. */
  readonly outputs: readonly string[];
}

interface Written {
  readonly nodes: readonly Uint8Array[];
  readonly expansion: Expansion;
}

/**
 * `Attention` (opset 23) as the products, sums and Softmax that its function body in the ONNX operator reference defines, so that each has its own rounding:
 * engines that do not fuse it round in between. Only the common form: no past, no causal flag, no soft cap, as many key heads as query heads, FP32 or FP16, shapes
 * stated in the file. Others stay one node; undefined for them.
 */
export function expandAttention(node: Node, values: ReadonlyMap<string, ValueInfo>): Written | undefined {
  const [q = "", k = "", v = "", mask = "", ...past] = node.inputs;
  const [output = "", ...more] = node.outputs;
  const attribute = (name: string) => node.attributes.get(name);
  const plain =
    node.domain === "" &&
    node.opType === "Attention" &&
    past.every((t) => t === "") &&
    more.every((t) => t === "") &&
    !attribute("is_causal")?.int &&
    !attribute("softcap")?.float &&
    attribute("softmax_precision") === undefined;
  const shapes = [q, k, v].map((t) => values.get(t));
  const heads = shapes.map((s) => s?.dims?.[1]?.size);
  const size = shapes[1]?.dims?.[3]?.size;
  const dtype = shapes[0]?.dtype;
  if (!plain || (dtype !== "float32" && dtype !== "float16")) return undefined;
  if (shapes.some((s) => s?.dtype !== dtype || s.dims?.length !== 4)) return undefined;
  if (heads.some((h) => h === undefined || h !== heads[0])) return undefined;
  const scale = attribute("scale")?.float || (size === undefined ? undefined : 1 / Math.sqrt(size));
  const maskType: DType | undefined = mask === "" ? undefined : values.get(mask)?.dtype;
  if (scale === undefined || (mask !== "" && maskType !== "bool" && maskType !== dtype)) return undefined;

  const name = (part: string) => `${node.name || output}/${part}`;
  const nodes: NewNode[] = [];
  const add = (opType: string, part: string, inputs: readonly string[], attributes: NewNode["attributes"] = {}, to = name(part)) => {
    nodes.push({ name: name(part), opType, inputs, outputs: [to], attributes });
    return to;
  };
  const constant = (part: string, value: number) => {
    const tensor = encodeTensor("", numberFromDtype("float32"), [], new Uint8Array(Float32Array.of(value).buffer));
    const full = add("Constant", part, [], { value: { tensor } });
    return dtype === "float32" ? full : add("Cast", `${part}/fp16`, [full], { to: numberFromDtype("float16") });
  };
  // Both factors carry the root of the scale, as the reference's function body has it.
  const root = constant("scale", Math.sqrt(scale));
  const query = add("Mul", "query", [q, root]);
  const key = add("Mul", "key", [add("Transpose", "transposed", [k], { perm: [0, 1, 3, 2] }), root]);
  let scores = add("MatMul", "scores", [query, key]);
  if (mask !== "") {
    const bias =
      maskType === "bool" ? add("Where", "mask", [mask, constant("kept", 0), constant("masked", Number.NEGATIVE_INFINITY)]) : mask;
    scores = add("Add", "masked_scores", [scores, bias]);
  }
  const probabilities = add("Softmax", "probabilities", [scores], { axis: -1 });
  add("MatMul", "context", [probabilities, v], {}, output);
  const taken = new Set(values.keys());
  if (nodes.some((n) => n.outputs.some((t) => t !== output && taken.has(t)))) return undefined;
  // Scopes, which tell where the node stands, belong to all of its parts.
  const metadata = fieldsOf(node.bytes, "a node").filter((f) => f.number === nodeField.metadata);
  const encoded = nodes.map((n) => Buffer.concat([encodeNode(n), ...metadata.flatMap((f) => [f.header, bytesOf(f)])]));
  return { nodes: encoded, expansion: { node, outputs: nodes.flatMap((n) => n.outputs) } };
}

/** What a file states of its tensors' types. */
export const statedValues = (model: Model): ReadonlyMap<string, ValueInfo> =>
  new Map([...model.graph.valueInfos, ...model.graph.inputs, ...model.graph.outputs].map((v) => [v.name, v]));
