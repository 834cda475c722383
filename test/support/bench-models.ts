/** Models whose batches behave in a known way. */
import { floats, type ModelParts, node } from "./model-file.js";

const x = { name: "x", dims: ["batch", 4] };
const y = { name: "y", dims: ["batch", 4] };
const weight = floats(
  "w",
  [4, 4],
  Array.from({ length: 16 }, (_, i) => Math.sin(i + 1)),
);

export const benchModels = {
  /** Rows know nothing of each other. */
  rows: { inputs: [x], outputs: [y], initializers: [weight], nodes: [node("MatMul", ["x", "w"], ["m"]), node("Tanh", ["m"], ["y"])] },
  /** Takes the mean over the batch away, as a normalization that was left in training mode does. */
  mixes: {
    inputs: [x],
    outputs: [y],
    nodes: [node("ReduceMean", ["x"], ["mean"], { axes: [0], keepdims: 1 }), node("Sub", ["x", "mean"], ["d"]), node("Tanh", ["d"], ["y"])],
  },
  /** NaN wherever x is negative. */
  broken: { inputs: [x], outputs: [y], nodes: [node("Sqrt", ["x"], ["y"])] },
  /** One request at a time. */
  fixed: {
    inputs: [{ name: "x", dims: [1, 4] }],
    outputs: [{ name: "y", dims: [1, 4] }],
    initializers: [weight],
    nodes: [node("MatMul", ["x", "w"], ["y"])],
  },
  /** Open in its face, fixed inside: what an exporter leaves that traced one request. */
  traced: {
    inputs: [x],
    outputs: [{ name: "y", dims: ["batch", 2, 2] }],
    initializers: [{ name: "shape", dims: [3], dataType: 7, rawData: new Uint8Array(BigInt64Array.of(1n, 2n, 2n).buffer) }],
    nodes: [node("Reshape", ["x", "shape"], ["y"])],
  },
  /** Images of any size. */
  images: {
    inputs: [{ name: "images", dims: ["batch", 3, "height", "width"] }],
    outputs: [{ name: "maps", dims: ["batch", 2, "height", "width"] }],
    initializers: [
      floats(
        "k",
        [2, 3, 3, 3],
        Array.from({ length: 54 }, (_, i) => Math.cos(i)),
      ),
    ],
    nodes: [node("Conv", ["images", "k"], ["c"], { pads: [1, 1, 1, 1], kernel_shape: [3, 3] }), node("Sigmoid", ["c"], ["maps"])],
  },
} satisfies Record<string, ModelParts>;
