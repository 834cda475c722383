/** What happens inside an operator that its inputs and outputs do not show: random numbers, and state between steps. */
import type { Node } from "@halfscope/onnx";
import { newestOpset, type Opsets, operatorTypes, opsetOf } from "./operators-types.js";

/** Position of the input that switches an operator's random numbers on. */
const trainingInput: Readonly<Record<string, number>> = {
  ":Dropout": 2,
  "com.microsoft:BitmaskDropout": 2,
  "com.microsoft:BiasDropout": 4,
  "com.microsoft:BitmaskBiasDropout": 4,
};

/**
 * Whether a node draws random numbers: two runs of it differ. `isTrue` looks a boolean constant up by tensor name and gives undefined where the
 * value is not known; a training mode that is not known to be off counts as on.
 */
export function nonDeterministic(
  node: Node,
  opsets: Opsets = newestOpset,
  isTrue: (tensor: string) => boolean | undefined = () => undefined,
): boolean {
  const opset = opsetOf(opsets, node.domain);
  const types = operatorTypes(node.domain, node.opType, opset);
  if (types?.random !== true) return false;
  const key = `${node.domain}:${node.opType}`;
  if (!Object.hasOwn(trainingInput, key)) return true;
  // Up to opset 6 an attribute says so, and trains when it is missing; opsets 7 to 11 have inference only.
  if (node.domain === "" && types.since < 7) return (node.attributes.get("is_test")?.int ?? 0) === 0;
  const training = node.inputs[trainingInput[key] ?? -1] ?? "";
  return training !== "" && isTrue(training) !== false;
}

const recurrent = "the state that it carries from step to step is rounded at its ends only, not after each step";
const attention = "its scores, softmax and sums are computed inside in FP32 and rounded at its ends only";
const limits: Readonly<Record<string, string>> = {
  ":LSTM": recurrent,
  ":GRU": recurrent,
  ":RNN": recurrent,
  ":GRUUnit": recurrent,
  ":Attention": attention,
  ":LinearAttention": recurrent,
  "ai.onnx.preview:FlexAttention": attention,
  "com.microsoft:AttnLSTM": recurrent,
  "com.microsoft:DynamicQuantizeLSTM": recurrent,
  "com.microsoft:GatedDeltaNet": recurrent,
  "com.microsoft:LinearAttention": recurrent,
  "com.microsoft:Attention": attention,
  "com.microsoft:DecoderAttention": attention,
  "com.microsoft:DecoderMaskedMultiHeadAttention": attention,
  "com.microsoft:DecoderMaskedSelfAttention": attention,
  "com.microsoft:GroupQueryAttention": attention,
  "com.microsoft:LongformerAttention": attention,
  "com.microsoft:MultiHeadAttention": attention,
  "com.microsoft:PackedAttention": attention,
  "com.microsoft:PackedMultiHeadAttention": attention,
  "com.microsoft:PagedAttention": attention,
  "com.microsoft:QAttention": attention,
  "com.microsoft:SparseAttention": attention,
};

/** A sentence on what an operator keeps inside and the emulation does not round; undefined for operators without such state. */
export function stateInside(node: Node): string | undefined {
  const key = `${node.domain}:${node.opType}`;
  return Object.hasOwn(limits, key) ? `${node.opType}: ${limits[key]}.` : undefined;
}
