import type { HalfType } from "@halfscope/core";
import type { Node } from "@halfscope/onnx";
import { formats } from "./number-format.js";

/**
 * Movers: operators that give out values they were given, unchanged, so that rounding before or behind them is the same
 * (selection and permutation; Relu, Max, Min and Clip because rounding is monotone and keeps zero; Neg and Abs because it is symmetric).
 * Value: which inputs carry values; "all", or positions. Only output 0 carries them, except for Split. Every claim is tested on numbers
 * (test/invariants/movers.test.ts); those that compare hold up to the sign of a zero, which rounding may bring about.
 *
 * Not here although they hand values on: TopK and a MaxPool with indices (which values win is a decision, and that reads the values), Unique (numbers
 * that differ may round to one), GridSample and MaxRoiPool (their coordinates are floats too).
 */
const movers: Readonly<Record<string, Readonly<Record<string, "all" | readonly number[]>>>> = {
  "": {
    Reshape: [0],
    Transpose: [0],
    Squeeze: [0],
    Unsqueeze: [0],
    Flatten: [0],
    Identity: [0],
    Slice: [0],
    Split: [0],
    Expand: [0],
    Tile: [0],
    Gather: [0],
    GatherElements: [0],
    GatherND: [0],
    DepthToSpace: [0],
    SpaceToDepth: [0],
    Trilu: [0],
    Compress: [0],
    ReverseSequence: [0],
    CenterCropPad: [0],
    Relu: [0],
    Neg: [0],
    Abs: [0],
    MaxPool: [0],
    MaxUnpool: [0],
    GlobalMaxPool: [0],
    ReduceMax: [0],
    ReduceMin: [0],
    Dropout: [0],
    Concat: "all",
    Max: "all",
    Min: "all",
    TensorScatter: [0, 1],
    Where: [1, 2],
    Pad: [0, 2],
    Clip: [0, 1, 2],
    ScatterElements: [0, 2],
    ScatterND: [0, 2],
    Scatter: [0, 2],
    Resize: [0],
    Upsample: [0],
  },
  "com.microsoft": { ExpandDims: [0], Pad: [0, 2], Trilu: [0], UnfoldTensor: [0] },
};

/** `DOMAIN:NAME` of every operator that is a mover at least with some attributes. */
export const moverOperators: readonly string[] = Object.entries(movers).flatMap(([domain, names]) =>
  Object.keys(names).map((name) => `${domain}:${name}`),
);

/** Positions of the inputs whose values a mover hands on; undefined when the node computes. `type` is what its values are rounded to. */
export function movedInputs(node: Node, type: HalfType = "float16"): readonly number[] | undefined {
  const names = Object.hasOwn(movers, node.domain) ? movers[node.domain] : undefined;
  const data = names !== undefined && Object.hasOwn(names, node.opType) ? names[node.opType] : undefined;
  if (data === undefined || !movesAsItStands(node, type)) return undefined;
  return data === "all" ? node.inputs.map((_, i) => i) : data.filter((i) => node.inputs[i]);
}

/** Whether attributes and optional inputs and outputs leave it a mover. */
function movesAsItStands(node: Node, type: HalfType): boolean {
  const text = (name: string, otherwise: string) => node.attributes.get(name)?.string ?? otherwise;
  switch (node.opType) {
    case "ScatterElements":
    case "ScatterND":
      return text("reduction", "none") === "none";
    case "Clip":
      return attributesAreHalf(node, type, ["min", "max"]);
    case "Pad":
      return attributesAreHalf(node, type, ["value"]);
    case "Resize":
    case "Upsample":
      if (text("mode", "nearest") !== "nearest") return false;
      return text("coordinate_transformation_mode", "") !== "tf_crop_and_resize" || attributesAreHalf(node, type, ["extrapolation_value"]);
    case "Dropout":
      // Training mode draws random numbers, and the mask of opset 7 is made of floats.
      return !node.inputs[2] && !node.outputs[1];
    case "MaxPool":
      return !node.outputs[1];
    default:
      return true;
  }
}

/**
 * Limits and fill values of older opsets are attributes. One that is no number of the type changes when the operator runs in it. A finite limit beyond
 * the range is one of these: it turns an infinity into a number that the type does not have, where it keeps the infinity.
 */
const attributesAreHalf = (node: Node, type: HalfType, names: readonly string[]): boolean =>
  names.every((name) => {
    const value = node.attributes.get(name)?.float;
    return value === undefined || formats[type].round(value) === value;
  });

const shapeReaders = new Set(["Shape", "Size", "EyeLike", "RandomNormalLike", "RandomUniformLike"]);
/** Operators that look at a tensor's shape and type only: what they read is no use of its values. */
export const readsShapeOnly = (node: Node): boolean => node.domain === "" && shapeReaders.has(node.opType);
