import { numberFromDtype } from "@halfscope/core";
import type { Node } from "@halfscope/onnx";
import { nonDeterministic } from "./operators-inner.js";
import { tableVersions } from "./operators-table.js";
import {
  type FloatType,
  type HalfType,
  inputTypes,
  isKnownDomain,
  newestOpset,
  type OperatorTypes,
  type Opsets,
  operatorTypes,
  opsetOf,
  outputTypes,
  type ParameterTypes,
  schemaVersions,
} from "./operators-types.js";

/** What a float tensor at some position is when its node runs in FP16: FP16, still FP32, or never a float. */
export type PositionForm = "half" | "full" | "none";

/** A node in FP16: all letters that its schema lets be FP16 are, together. */
export interface HalfForm {
  readonly types: OperatorTypes;
  /** By position; omitted inputs and outputs are "none". */
  readonly inputs: readonly PositionForm[];
  readonly outputs: readonly PositionForm[];
}

/**
 * Inputs that a schema lets be FP16 and that stay FP32 all the same, because they have a letter of their own: coordinates, which rounding moves, and
 * parameters for which runtimes have FP32 kernels only.
 */
const keptFull: Readonly<Record<string, readonly number[]>> = {
  ":Resize": [1],
  "com.microsoft:GroupNorm": [1, 2],
  "com.microsoft:SkipGroupNorm": [1, 2],
};
/** Operators whose type attribute is rewritten when a plan is realised. */
const rewritten = new Set(["Cast"]);
/** Conversions from and to quantised numbers, whose FP32 side may be FP16. */
const quantisers = new Set(["QuantizeLinear", "DequantizeLinear"]);

/** How a node runs in FP16. Undefined for operators without a known schema. A form without any "half" means that it cannot: see `mustStayFull`. */
export function halfForm(node: Node, opsets: Opsets = newestOpset, target: HalfType = "float16"): HalfForm | undefined {
  const types = operatorTypes(node.domain, node.opType, opsetOf(opsets, node.domain));
  if (types === undefined) return undefined;
  const kept = keptFull[`${node.domain}:${node.opType}`];
  const formOf = (parameter: ParameterTypes | undefined): PositionForm =>
    parameter === undefined || parameter.floats.size === 0 ? "none" : parameter.floats.has(target) ? "half" : "full";
  const inputs = node.inputs.map((t, i): PositionForm => {
    const form = t === "" ? "none" : formOf(inputTypes(types, i));
    return form === "half" && kept?.includes(i) ? "full" : form;
  });
  const outputs = node.outputs.map((t, i): PositionForm => {
    const form = t === "" ? "none" : formOf(outputTypes(types, i));
    return form === "half" && i === 0 && attributeSaysFull(node, types) ? "full" : form;
  });
  return { types, inputs, outputs };
}

function attributeSaysFull(node: Node, types: OperatorTypes): boolean {
  const attribute = types.typeAttribute;
  if (attribute === undefined || rewritten.has(node.opType)) return false;
  return (node.attributes.get(attribute.name)?.int || attribute.default) === numberFromDtype("float32");
}

/** Inputs that stay in FP32 even when the node runs in FP16, because the schema fixes their type. False for unknown operators. */
export const isFixedInput = (node: Node, input: number, opsets?: Opsets, target?: HalfType): boolean =>
  halfForm(node, opsets, target)?.inputs[input] === "full";

/** Outputs that stay in FP32 even when the node runs in FP16, such as the mean of a LayerNormalization. False for unknown operators. */
export const isFixedOutput = (node: Node, output: number, opsets?: Opsets, target?: HalfType): boolean =>
  halfForm(node, opsets, target)?.outputs[output] === "full";

/** Why a node must stay in FP32 whatever the plan says; undefined for nodes that FP16 can run. */
export function mustStayFull(
  node: Node,
  functions: ReadonlySet<string>,
  opsets: Opsets = newestOpset,
  target: HalfType = "float16",
): string | undefined {
  if (functions.has(`${node.domain}:${node.opType}`)) return "it calls a local function, which is measured as a whole";
  const holdsValue = node.domain === "" && (node.opType === "Constant" || node.opType === "ConstantOfShape");
  for (const a of node.attributes.values()) {
    if (a.graphs !== undefined) return "it holds a subgraph, which is measured as a whole";
    if (a.tensor?.dtype === "float32" && !holdsValue) return `its attribute ${a.name} holds FP32 numbers`;
  }
  if (!isKnownDomain(node.domain)) return "it is an operator of a custom domain";
  const form = halfForm(node, opsets, target);
  if (form === undefined) return unknownOperator(node, opsets);
  return semanticReason(node, form.types, opsets, target) ?? typeReason(node, form, target);
}

function unknownOperator(node: Node, opsets: Opsets): string {
  if (node.domain !== "") return `halfscope does not know the types of ${node.opType}`;
  const opset = opsetOf(opsets, "");
  const at = Number.isFinite(opset) ? ` in opset ${opset}` : "";
  return `halfscope does not know ${node.opType}${at} (it knows ONNX up to opset ${tableVersions.opset})`;
}

/** Reasons that lie in what an operator means. */
function semanticReason(node: Node, types: OperatorTypes, opsets: Opsets, target: HalfType): string | undefined {
  if (nonDeterministic(node, opsets)) return `it draws random numbers, and would draw others in ${shortNames[target]}`;
  // ONNX Runtime 1.30 has no kernel for it and puts no Cast behind it either: the file would not load.
  if (node.domain === "" && node.opType === "EyeLike") return "runtimes make its zeros and ones in FP32, which loses nothing";
  if (node.opType === "BitCast") return "it reads the bits of FP32 numbers";
  if (node.opType === "EPContext") return "it is compiled for the types that it has";
  // Its types allow FP16, but strict shape inference unfolds the body and refuses an FP16 file (onnx 1.23).
  if (node.domain === "" && node.opType === "MeanVarianceNormalization")
    return "the function body that ONNX gives for it holds FP32 constants";
  if (types.quantised && !quantisers.has(node.opType))
    return `it works on quantised or packed numbers, whose rounding is not that of ${shortNames[target]}`;
  const nested = node.inputs.some((t, i) => t !== "" && inputTypes(types, i)?.nested);
  if (nested || node.outputs.some((t, i) => t !== "" && outputTypes(types, i)?.nested))
    return "its sequence, optional, map or sparse tensor holds FP32 numbers";
  return undefined;
}

const shortNames: Readonly<Record<FloatType, string>> = { float32: "FP32", float16: "FP16", bfloat16: "BF16", float64: "FP64" };

/** Reasons that lie in the types that the schema allows. */
function typeReason(node: Node, form: HalfForm, target: HalfType): string | undefined {
  if ([...form.inputs, ...form.outputs].includes("half")) return undefined;
  const { types } = form;
  const wanted = shortNames[target];
  if (attributeSaysFull(node, types) && outputTypes(types, 0)?.floats.has(target))
    return `its attribute ${types.typeAttribute?.name} says FP32`;
  const used = [...node.inputs.map((_, i) => inputTypes(types, i)), ...node.outputs.map((_, i) => outputTypes(types, i))];
  const allowed = new Set(used.flatMap((p) => [...(p?.floats ?? [])].map((t) => shortNames[t])));
  if (allowed.size === 0) return undefined;
  const owner = node.domain === "com.microsoft" ? "ONNX Runtime" : "ONNX";
  const allows = `version ${types.since} allows ${[...allowed].join(" and ")}`;
  const later = schemaVersions(node.domain, node.opType).find(
    (v) => v.since > types.since && [...v.inputs, ...v.outputs].some((p) => p.floats.has(target)),
  );
  return later === undefined
    ? `${owner} defines no ${wanted} form of ${node.opType} (${allows})`
    : `${owner} defines ${wanted} for ${node.opType} from opset ${later.since} on (${allows})`;
}
