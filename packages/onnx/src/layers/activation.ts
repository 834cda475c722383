import type { Node } from "../types.js";
import type { Recogniser } from "./claims.js";
import type { Scan } from "./scan.js";

/** Activations that are one node. */
export const activationOperators: ReadonlySet<string> = new Set([
  "Relu",
  "Clip",
  "Sigmoid",
  "Tanh",
  "HardSwish",
  "HardSigmoid",
  "LeakyRelu",
  "PRelu",
  "Elu",
  "Selu",
  "Celu",
  "Softplus",
  "Softsign",
  "ThresholdedRelu",
  "Mish",
  "Erf",
  "Shrink",
  "Swish",
]);

/** An activation that follows a tensor. */
export interface ActivationMatch {
  readonly name: string;
  readonly nodes: ReadonlySet<Node>;
  readonly output: string;
  readonly main: Node;
}

/** Recognises activations that are written as several nodes and stand on their own. */
export const recogniseActivations: Recogniser = (scan, claims) => {
  for (const node of scan.view.order) {
    if (claims.has(node) || !firstNodes.has(node.opType) || node.domain !== "") continue;
    const match = node.inputs.map((t) => matchComposite(scan, t, node)).find((m) => m !== undefined);
    if (match === undefined) continue;
    const { name, nodes, output, main } = match;
    claims.take({ kind: "activation", title: `${name} (${[...nodes].map((n) => n.opType).join(" + ")})`, nodes, main }, output);
  }
};

const firstNodes = new Set(["Sigmoid", "HardSigmoid", "Softplus", "Add"]);

/** The activation that alone reads a tensor: one node or a composite. */
export function matchActivation(scan: Scan, tensor: string): ActivationMatch | undefined {
  if (scan.view.graphOutputs.has(tensor)) return undefined;
  const users = scan.users(tensor);
  for (const first of users) {
    const match = matchComposite(scan, tensor, first);
    if (match !== undefined && users.every((u) => match.nodes.has(u))) return match;
  }
  const node = users[0];
  if (node === undefined || users.length > 1 || node.domain !== "" || node.inputs[0] !== tensor || !activationOperators.has(node.opType))
    return undefined;
  return { name: node.opType, nodes: new Set([node]), output: node.outputs[0] ?? "", main: node };
}

/** x * sigmoid(x), x * hardsigmoid(x), x * tanh(softplus(x)), and x * clip(x + 3, 0, 6) / 6 as exporters spell it. */
function matchComposite(scan: Scan, tensor: string, first: Node): ActivationMatch | undefined {
  if (first.domain !== "" || !first.inputs.includes(tensor)) return undefined;
  switch (first.opType) {
    case "Sigmoid":
      return matchGate(scan, tensor, "SiLU", [first]);
    case "HardSigmoid":
      return matchGate(scan, tensor, "HardSwish", [first]);
    case "Softplus": {
      const tanh = scan.onlyUserOf(first.outputs[0], "Tanh");
      return tanh && matchGate(scan, tensor, "Mish", [first, tanh]);
    }
    case "Add":
      return scan.isScalar(scan.other(first, tensor), 3) ? matchHardSwish(scan, tensor, first) : undefined;
    default:
      return undefined;
  }
}

function matchGate(scan: Scan, tensor: string, name: string, nodes: readonly Node[]): ActivationMatch | undefined {
  const gate = nodes.at(-1)?.outputs[0] ?? "";
  const main = scan.onlyUserOf(gate, "Mul");
  if (main === undefined || scan.other(main, gate) !== tensor) return undefined;
  return { name, nodes: new Set([...nodes, main]), output: main.outputs[0] ?? "", main };
}

function matchHardSwish(scan: Scan, tensor: string, plusThree: Node): ActivationMatch | undefined {
  const clip = scan.onlyUserOf(plusThree.outputs[0], "Clip");
  if (clip === undefined) return undefined;
  const nodes = [plusThree, clip];
  let at = clip.outputs[0] ?? "";
  let gated = false;
  for (let divided = false; !divided || !gated; ) {
    const node = scan.onlyUserOf(at, "Mul", "Div");
    const operand = node && scan.other(node, at);
    const sixth =
      node?.opType === "Div"
        ? node.inputs[0] === at && scan.isScalar(node.inputs[1], 6)
        : operand !== undefined && scan.isScalar(operand, 1 / 6);
    if (node !== undefined && sixth && !divided) divided = true;
    else if (node?.opType === "Mul" && operand === tensor && !gated) gated = true;
    else if (divided) break;
    else return undefined;
    nodes.push(node);
    at = node.outputs[0] ?? "";
  }
  const main = nodes.at(-1) ?? clip;
  return { name: gated ? "HardSwish" : "HardSigmoid", nodes: new Set(nodes), output: at, main };
}
