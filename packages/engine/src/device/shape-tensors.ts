import type { GraphView, Use } from "@halfscope/onnx";

/** Inputs that operators take sizes from: shapes, places, paddings, counts. By operator, the places of such inputs. */
const sizeInputs: Readonly<Record<string, readonly number[]>> = {
  Reshape: [1],
  Expand: [1],
  Tile: [1],
  ConstantOfShape: [0],
  Slice: [1, 2, 3, 4],
  Pad: [1, 3],
  Resize: [3],
  Range: [0, 1, 2],
  OneHot: [1],
  TopK: [1],
  Unsqueeze: [1],
  Squeeze: [1],
  CenterCropPad: [1],
  Trilu: [1],
};
/** Arithmetic that sizes pass on their way. */
const passing = new Set([
  "Cast",
  "Concat",
  "Gather",
  "Identity",
  "Slice",
  "Squeeze",
  "Unsqueeze",
  "Reshape",
  "Add",
  "Sub",
  "Mul",
  "Div",
  "Min",
  "Max",
  "Neg",
  "Mod",
]);

/**
 * Graph inputs whose values are sizes (integers of rank 0 or 1 that end as a shape, a place or a count): TensorRT makes shape tensors of them and wants the
 * range of their values. What the engine says of its inputs goes first; this serves what has to be known before there is one.
 */
export function shapeTensorsOf(view: GraphView): Set<string> {
  const found = new Set<string>();
  for (const { name, dtype, dims } of view.graph.inputs) {
    if (view.initializers.has(name) || (dtype !== "int64" && dtype !== "int32") || dims === undefined || dims.length > 1) continue;
    if (becomesSize(view, name)) found.add(name);
  }
  return found;
}

function becomesSize(view: GraphView, input: string): boolean {
  const seen = new Set([input]);
  const open = [input];
  for (let tensor = open.pop(); tensor !== undefined; tensor = open.pop()) {
    for (const use of view.consumers.get(tensor) ?? []) {
      if (isSize(use)) return true;
      if (use.node.domain !== "" || !passing.has(use.node.opType)) continue;
      for (const output of use.node.outputs)
        if (!seen.has(output)) {
          seen.add(output);
          open.push(output);
        }
    }
  }
  return false;
}

const isSize = ({ node, input }: Use): boolean => node.domain === "" && (sizeInputs[node.opType]?.includes(input) ?? false);
