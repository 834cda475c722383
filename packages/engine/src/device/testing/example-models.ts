import type { TensorValue } from "@halfscope/core";
import {
  castTarget,
  delimitedField,
  encodeIrVersion,
  encodeNode,
  encodeOpset,
  encodeTensor,
  encodeValueInfo,
  type NewNode,
  type Rope,
} from "@halfscope/onnx";
import { elementsOf } from "../../feeds/elements.js";
import type { Feed } from "../../feeds/feed.js";

/** Models that every backend can build in no time, and their results in plain TypeScript. */

const width = 16;
const wave = (count: number, scale: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * 1.37 + 0.3) * scale);
const weights = { w1: wave(width * width, 0.4), b1: wave(width, 0.2), w2: wave(width * width, 0.3) };
const sizes: Readonly<Record<keyof typeof weights, readonly number[]>> = { w1: [width, width], b1: [width], w2: [width, width] };

const opset = 17;
const bytesOf = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/**
 * hidden = x * w1 + b1, activated = tanh(hidden), y = activated * w2; x [batch, 16]. `typed` computes in FP16, with Casts behind the input, the weights and in
 * front of the output: hidden and activated are FP16 tensors.
 */
export function exampleModel(kind: "full" | "typed"): Uint8Array {
  const compute = (suffix: string, y: string): NewNode[] => [
    { name: "product1", opType: "MatMul", inputs: [`x${suffix}`, `w1${suffix}`], outputs: ["product"] },
    { name: "bias", opType: "Add", inputs: ["product", `b1${suffix}`], outputs: ["hidden"] },
    { name: "tanh", opType: "Tanh", inputs: ["hidden"], outputs: ["activated"] },
    { name: "product2", opType: "MatMul", inputs: ["activated", `w2${suffix}`], outputs: [y] },
  ];
  const cast = (from: string, to: string, dtype: "float16" | "float32"): NewNode => ({
    name: `cast ${from}`,
    opType: "Cast",
    inputs: [from],
    outputs: [to],
    attributes: { to: castTarget(dtype, opset) },
  });
  const nodes =
    kind === "full"
      ? compute("", "y")
      : [
          ...["x", "w1", "b1", "w2"].map((t) => cast(t, `${t}_half`, "float16")),
          ...compute("_half", "y_half"),
          cast("y_half", "y", "float32"),
        ];
  const tensors = Object.entries(weights).map(([name, values]) =>
    encodeTensor(name, 1, sizes[name as keyof typeof weights], bytesOf(values)),
  );
  return model(nodes, tensors, ["x", ["batch", width]], ["y", ["batch", width]]);
}

export const exampleFeed = (batch: number): Pick<Feed, "tensors"> => ({
  tensors: new Map([["x", { dtype: "float32", dims: [batch, width], data: bytesOf(wave(batch * width, 1 + batch / 8)) }]]),
});

/** The example in FP64, rounded to FP32 at the end: what engines in FP32 come near. */
export function plainExample(feed: Pick<Feed, "tensors">): { hidden: Float32Array; activated: Float32Array; y: Float32Array } {
  const product = (left: readonly number[], right: Float32Array): number[] =>
    left.map((_, at) => {
      const row = at - (at % width);
      let sum = 0;
      for (let k = 0; k < width; k++) sum += (left[row + k] ?? Number.NaN) * (right[k * width + (at % width)] ?? Number.NaN);
      return sum;
    });
  const x = [...numbersOf(feed.tensors.get("x") as TensorValue)];
  const hidden = product(x, weights.w1).map((v, at) => v + (weights.b1[at % width] ?? Number.NaN));
  const activated = hidden.map(Math.tanh);
  return {
    hidden: Float32Array.from(hidden),
    activated: Float32Array.from(activated),
    y: Float32Array.from(product(activated, weights.w2)),
  };
}

const side = 256;
/** A chain of products that takes a while on anything, of nodes that are short. */
export function slowModel(): Uint8Array {
  const length = 400;
  const nodes = Array.from({ length }, (_, i): NewNode[] => [
    { name: `product ${i}`, opType: "MatMul", inputs: [i === 0 ? "x" : `t${i - 1}`, "x"], outputs: [`p${i}`] },
    { name: `tanh ${i}`, opType: "Tanh", inputs: [`p${i}`], outputs: [i === length - 1 ? "y" : `t${i}`] },
  ]).flat();
  return model(nodes, [], ["x", [side, side]], ["y", [side, side]]);
}
export const slowFeed = (): Pick<Feed, "tensors"> => ({
  tensors: new Map([["x", { dtype: "float32", dims: [side, side], data: bytesOf(wave(side * side, 0.05)) }]]),
});

/** A float tensor's values, whatever its type. */
export function numbersOf(tensor: TensorValue | undefined): Float32Array {
  const elements = tensor === undefined ? undefined : elementsOf(tensor);
  return Float32Array.from((elements as Float32Array | undefined) ?? []);
}

type Signature = readonly [name: string, dims: readonly (number | string)[]];

function model(nodes: readonly NewNode[], tensors: readonly Uint8Array[], input: Signature, output: Signature): Uint8Array {
  const message = (number: number, content: Uint8Array): Rope => delimitedField(number, [content]);
  const graph = Buffer.concat([
    ...nodes.flatMap((n) => message(1, encodeNode(n))),
    ...message(2, new TextEncoder().encode("example")),
    ...tensors.flatMap((t) => message(5, t)),
    ...message(11, encodeValueInfo(input[0], 1, input[1])),
    ...message(12, encodeValueInfo(output[0], 1, output[1])),
  ] as Uint8Array[]);
  return Buffer.concat([encodeIrVersion(8), ...message(8, encodeOpset("", opset)), ...message(7, graph)] as Uint8Array[]);
}
