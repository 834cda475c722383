import { node, tinyModel } from "../support/tiny-model.js";

/** An ONNX file with the inputs, outputs and names of the network that the fake TensorRT knows. */
export const encodeTiny = (): Uint8Array =>
  tinyModel({
    inputs: [{ name: "x", dims: ["batch", 4] }],
    outputs: [{ name: "y", dims: ["batch", 4] }],
    nodes: [
      { ...node("Add", ["x", "x"], ["hidden"]), name: "first" },
      { ...node("Mul", ["hidden", "hidden"], ["y"]), name: "second" },
    ],
  });
