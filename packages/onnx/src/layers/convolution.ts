import type { Node } from "../types.js";
import { matchActivation } from "./activation.js";
import type { Recogniser } from "./claims.js";
import { matchBias } from "./linear.js";

const convolutions = new Set([
  "Conv",
  "ConvTranspose",
  "ConvInteger",
  "QLinearConv",
  "DeformConv",
  "FusedConv",
  "NhwcFusedConv",
  "NhwcMaxPool",
]);
const isConvolution = (node: Node): boolean => (node.domain === "" || node.domain === "com.microsoft") && convolutions.has(node.opType);

/** Recognises convolutions with what engines fuse behind them: bias, batch normalization and an activation, each if nobody else reads between. */
export const recogniseConvolutions: Recogniser = (scan, claims) => {
  for (const node of scan.view.order) {
    if (claims.has(node) || !isConvolution(node)) continue;
    const dims = scan.constant(node.inputs[node.opType === "QLinearConv" ? 3 : 1])?.dims;
    const steps = [{ name: node.opType, nodes: [node] as readonly Node[], output: node.outputs[0] ?? "" }];
    const last = () => steps.at(-1)?.output ?? "";
    const bias = (node.inputs[2] ?? "") === "" ? matchBias(scan, last(), outputChannels(node, dims)) : undefined;
    if (bias !== undefined) steps.push({ name: "bias", ...bias });
    const normalization = scan.onlyUserOf(last(), "BatchNormalization");
    if (normalization?.inputs[0] === last())
      steps.push({ name: "BatchNormalization", nodes: [normalization], output: normalization.outputs[0] ?? "" });
    const activation = matchActivation(scan, last());
    if (activation !== undefined) steps.push({ name: activation.name, nodes: [...activation.nodes], output: activation.output });
    // The whole chain, or as much of it as nobody else has claimed.
    for (; steps.length > 0; steps.pop()) {
      const nodes = new Set(steps.flatMap((s) => s.nodes));
      const names = steps.map((s) => s.name);
      if (claims.take({ kind: "convolution", title: `${sizeOf(node, dims)} (${names.join(" + ")})`, nodes, main: node }, last())) break;
    }
  }
};

function outputChannels(node: Node, dims: readonly number[] | undefined): number | undefined {
  if (dims === undefined) return undefined;
  return node.opType === "ConvTranspose" ? (dims[1] ?? 1) * groups(node) : dims[0];
}

const groups = (node: Node): number => node.attributes.get("group")?.int ?? 1;

/** For instance "Convolution 3x3 64->128", or "Depthwise convolution 5x5 96". */
function sizeOf(node: Node, dims: readonly number[] | undefined): string {
  const name = node.opType === "ConvTranspose" ? "Transposed convolution" : "Convolution";
  const out = outputChannels(node, dims);
  if (dims === undefined || out === undefined) return name;
  const kernel = dims.slice(2).join("x");
  const from = node.opType === "ConvTranspose" ? (dims[0] ?? 0) : (dims[1] ?? 0) * groups(node);
  if (groups(node) > 1 && groups(node) === from && from === out) return `Depthwise ${name.toLowerCase()} ${kernel} ${out}`;
  return `${name} ${kernel} ${from}->${out}`;
}
