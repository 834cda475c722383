import { type DType, EngineError, numberFromDtype } from "@halfscope/core";
import type { GraphView, Node } from "@halfscope/onnx";
import { forwardTypes, type TypeConflict } from "./forward-types.js";

/** What is wrong in a file that ONNX Runtime refuses for its types. */
export interface LoadFailure {
  /** The node that gets two types. */
  node: string;
  inputs: readonly { tensor: string; dtype: DType; from: string }[];
  /** Casts whose `to` was left alone by a converter, the first one first; empty when something else is the cause. */
  casts: readonly string[];
  sentence: string;
  fix: string;
}

/** Conflicts that are looked for behind the first: a converter makes the same mistake in many places. */
const most = 50;

/**
 * Names the node that gets two float types and where they come from, when ONNX Runtime refuses a model with a type error; undefined for every other refusal.
 * The usual cause: a converter to FP16 that changed weights and types but left `to = FLOAT` in a Cast from integers, as onnxconverter-common does.
 */
export function explainLoadFailure(view: GraphView, message: string): LoadFailure | undefined {
  if (!/type/i.test(message)) return undefined;
  const given = new Map<string, DType>();
  const casts: string[] = [];
  let first: { conflict: TypeConflict; types: ReadonlyMap<string, DType>; culprit: Node | undefined } | undefined;
  for (let round = 0; round < most; round++) {
    const { types, conflicts } = forwardTypes(view, given);
    const conflict = (first === undefined ? conflicts.find((c) => isNamed(c.node, message)) : undefined) ?? conflicts[0];
    if (conflict === undefined || !conflict.inputs.some((i) => i.dtype === "float16")) break;
    const culprit = culpritOf(conflict, view, types);
    first ??= { conflict, types, culprit };
    if (culprit === undefined) break;
    casts.push(culprit.name || (culprit.outputs[0] ?? ""));
    // As if it were mended: what comes next then shows.
    given.set(culprit.outputs[0] ?? "", "float16");
  }
  return first && failureOf(first.conflict, first.culprit, casts, view);
}

/** The error of a refused model, with what is wrong in it and how to mend it where that can be told. */
export function explained(error: unknown, view: GraphView): unknown {
  if (!(error instanceof EngineError) || error.code !== "ERR_ENGINE_BUILD") return error;
  const found = explainLoadFailure(view, error.message);
  if (found === undefined) return error;
  const { sentence, fix, ...context } = found;
  return new EngineError(error.code, `${sentence} ${error.message}`, { hint: fix, context: { ...context, fix }, cause: error });
}

const isNamed = (node: Node, message: string): boolean => node.name !== "" && message.includes(`(${node.name})`);

/** The Cast to FP32 that a value of a conflict comes from, through nodes that keep the type. */
function culpritOf(conflict: TypeConflict, view: GraphView, types: ReadonlyMap<string, DType>): Node | undefined {
  const seen = new Set<string>();
  const queue = conflict.inputs.filter((i) => i.dtype === "float32").map((i) => i.tensor);
  for (let t = queue.pop(); t !== undefined; t = queue.pop()) {
    const node = view.producer.get(t);
    if (node === undefined || seen.has(t)) continue;
    seen.add(t);
    if (node.domain === "" && node.opType === "Cast") {
      if (node.attributes.get("to")?.int === numberFromDtype("float32")) return node;
      continue;
    }
    queue.push(...node.inputs.filter((i) => types.get(i) === "float32"));
  }
  return undefined;
}

function failureOf(conflict: TypeConflict, culprit: Node | undefined, casts: readonly string[], view: GraphView): LoadFailure {
  const { node } = conflict;
  const inputs = conflict.inputs.map((i) => ({ ...i, from: originOf(i.tensor, view) }));
  const list = inputs.map((i) => `"${i.tensor}" is ${i.dtype} (${i.from})`).join(", ");
  const name = node.name || (node.outputs[0] ?? "");
  const sentence = `Node "${name}" (${node.opType}) gets two types where it takes one: ${list}.`;
  if (culprit === undefined)
    return {
      ...{ node: name, inputs, casts, sentence },
      fix: `Put a Cast to FLOAT16 in front of that input of "${name}", or keep the node in FP32 when converting (block it by name).`,
    };
  const cast = casts[0] ?? "";
  const declared = view.graph.valueInfos.find((v) => v.name === culprit.outputs[0])?.dtype;
  const claim = declared === "float16" ? ", though the file itself declares its result as float16" : "";
  const more = casts.length > 1 ? ` So do ${casts.length - 1} more: ${quoted(casts.slice(1, 4))}${casts.length > 4 ? ", ..." : ""}.` : "";
  return {
    ...{ node: name, inputs, casts },
    sentence: `${sentence} The Cast "${cast}" still makes FLOAT${claim}.${more}`,
    fix: `Set "to" of the Cast "${cast}" to FLOAT16 (10), or keep it in FP32 when converting: with onnxconverter-common, node_block_list=[${quoted(casts.slice(0, 4))}].`,
  };
}

const quoted = (names: readonly string[]): string => names.map((n) => `"${n}"`).join(", ");

function originOf(tensor: string, view: GraphView): string {
  const node = view.producer.get(tensor);
  if (node === undefined) return view.initializers.has(tensor) ? "a weight" : "an input";
  const to = node.domain === "" && node.opType === "Cast" ? `, to = ${node.attributes.get("to")?.int ?? "?"}` : "";
  return `from ${node.opType} "${node.name || node.outputs[0]}"${to}`;
}
