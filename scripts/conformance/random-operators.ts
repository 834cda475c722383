/** Operators whose outputs no two runs have to share. */
import { type Graph, type Model, type Node, subgraphsOf } from "@halfscope/onnx";

const random = new Set(["RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"]);

/** Types of the operators in a model, also those inside subgraphs and functions, that draw random numbers. */
export function randomOperators(model: Model): string[] {
  const found = new Set<string>();
  const walk = (nodes: readonly Node[]) => {
    for (const node of nodes) {
      // Dropout draws in training mode only, which its third input switches on.
      if (random.has(node.opType) || (node.opType === "Dropout" && node.inputs[2])) found.add(node.opType);
      for (const graph of subgraphsOf(node)) walk((graph as Graph).nodes);
    }
  };
  walk(model.graph.nodes);
  for (const f of model.functions) walk(f.nodes);
  return [...found];
}
