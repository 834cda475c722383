/** A small convolutional network with open sizes: batch, height and width. Weights are seeded; what it computes means nothing. */
import { bell, CaseGraph } from "./case-graph.js";

/** Features [batch, classes] and a map at an eighth of the image's size. */
export function imageModel(): CaseGraph {
  const g = new CaseGraph();
  const [channels, classes] = [32, 100];
  const open = { 0: "batch", 2: "height", 3: "width" };
  const image = g.input("image", [1, 3, 224, 224], bell("image", 3 * 224 * 224), open);
  let x = image;
  const convolution = (name: string, from: string, inputs: number, outputs: number, strides: number): string => {
    const spread = 1 / Math.sqrt(inputs * 9);
    const weight = g.constant(
      `${name}.weight`,
      [outputs, inputs, 3, 3],
      bell(name, outputs * inputs * 9).map((v) => v * spread),
    );
    const bias = g.constant(
      `${name}.bias`,
      [outputs],
      bell(`${name}.bias`, outputs).map((v) => 0.1 * v),
    );
    return g.node(name, "Conv", [from, weight, bias], { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [strides, strides] });
  };
  for (let stage = 0; stage < 3; stage++) {
    const [before, after] = [stage === 0 ? 3 : channels * 2 ** (stage - 1), channels * 2 ** stage];
    x = g.node(`stage${stage}/down/relu`, "Relu", [convolution(`stage${stage}/down`, x, before, after, 2)]);
    for (const block of [0, 1]) {
      const inner = g.node(`stage${stage}/block${block}/relu`, "Relu", [
        convolution(`stage${stage}/block${block}/first`, x, after, after, 1),
      ]);
      const sum = g.node(`stage${stage}/block${block}/add`, "Add", [
        convolution(`stage${stage}/block${block}/second`, inner, after, after, 1),
        x,
      ]);
      x = g.node(`stage${stage}/block${block}/out`, "Relu", [sum]);
    }
  }
  const width = channels * 4;
  const head = g.constant(
    "head.weight",
    [width, classes],
    bell("head", width * classes).map((v) => v / Math.sqrt(width)),
  );
  const flat = g.node("flat", "Flatten", [g.node("pool", "GlobalAveragePool", [x])], { axis: 1 });
  g.node("classes", "MatMul", [flat, head]);
  g.output("classes", ["batch", classes]);
  g.node("map", "Sigmoid", [x]);
  g.output("map", ["batch", width, "map_height", "map_width"]);
  return g;
}
