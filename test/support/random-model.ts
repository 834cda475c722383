import { floats, int64s, modelBytes, type NodeProto, node, normal, seeded, writeModel } from "./model-file.js";

/**
 * A random graph over 4x4 matrices that ONNX Runtime runs: products, sums, activations, movers of all sorts, weights shared and alone, gathered
 * tables, constants as nodes, Casts that change nothing, shapes read, several outputs. Gives the path of the file.
 */
export function randomModel(folder: string, seed: number, size = 24): string {
  const random = seeded(seed);
  const values = (n: number) => Float32Array.from({ length: n }, () => normal(random));
  const initializers = [
    ...["w0", "w1", "w2"].map((name) => floats(name, [4, 4], values(16))),
    floats("table", [6, 4], values(24)),
    floats("bias", [4], values(4)),
    int64s("ids", [4], [3, 0, 5, 3]),
    int64s("shape", [2], [4, 4]),
    int64s("zero", [1], [0]),
    int64s("four", [1], [4]),
  ];
  const nodes: NodeProto[] = [];
  const known = ["x", "x2"];
  let count = 0;
  const fresh = () => `t${count++}`;
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  // Late tensors are likelier: deep graphs rather than flat ones.
  const tensor = () => (random() < 0.6 ? (known.at(-1 - Math.floor(random() * Math.min(3, known.length))) as string) : pick(known));
  const weight = () => pick(["w0", "w1", "w2"]);
  const add = (opType: string, inputs: readonly string[], attributes: Parameters<typeof node>[3] = {}) => {
    const name = fresh();
    nodes.push(node(opType, inputs, [name], attributes));
    return name;
  };
  const kinds: (() => string)[] = [
    () => add("MatMul", [tensor(), weight()]),
    () => add("MatMul", [tensor(), tensor()]),
    () => add("Add", [tensor(), tensor()]),
    () => add("Add", [tensor(), "bias"]),
    () => add("Mul", [tensor(), weight()]),
    () => add(pick(["Tanh", "Sigmoid", "Erf"]), [tensor()]),
    () => add("Softmax", [tensor()], { axis: -1 }),
    () => add(pick(["Relu", "Neg", "Abs", "Identity"]), [tensor()]),
    () => add("Transpose", [tensor()], { perm: [1, 0] }),
    () => add("Reshape", [tensor(), "shape"]),
    () => add("Reshape", [tensor(), add("Shape", [tensor()])]),
    () => add("Cast", [tensor()], { to: 1 }),
    () => add("Gather", ["table", "ids"], { axis: 0 }),
    () => add("Gather", [tensor(), "zero4"], { axis: 0 }),
    () => add(pick(["Max", "Min"]), [tensor(), tensor()]),
    () => add("Slice", [add("Concat", [tensor(), tensor()], { axis: 0 }), "zero", "four"]),
    () => add("Where", ["mask", tensor(), tensor()]),
    () => add("Add", [tensor(), add("Constant", [], { value: { tensor: floats("", [4], values(4)) } })]),
    () => add("Expand", [add("ReduceMax", [tensor()], { axes: [1], keepdims: 1 }), "shape"]),
    () => add("Mul", [tensor(), add("ReduceMean", [tensor()], { axes: [1], keepdims: 1 })]),
    () => add("Clip", [tensor(), "low", "high"]),
    () => add("Relu", [weight()]),
    () => add("Add", [add("Cast", ["shape"], { to: 1 }), add("ReduceMean", [tensor()], { axes: [1], keepdims: 1 })]),
  ];
  for (let i = 0; i < size; i++) {
    const made = pick(kinds)();
    // The last kind makes 4x2: only 4x4 results are used again.
    if (nodes.at(-1)?.opType === "Add" && nodes.at(-3)?.opType === "Cast" && nodes.at(-3)?.input?.[0] === "shape") continue;
    known.push(made);
  }
  const outputs = [...new Set([known.at(-1) as string, pick(known.slice(2)), pick(known.slice(2))])];
  return writeModel(
    folder,
    modelBytes({
      nodes,
      inputs: [
        { name: "x", dims: [4, 4] },
        { name: "x2", dims: [4, 4] },
        { name: "mask", elementType: 9, dims: [4, 4] },
      ],
      outputs: outputs.map((name) => ({ name, dims: [4, 4] })),
      initializers: [...initializers, int64s("zero4", [4], [0, 1, 1, 3]), floats("low", [], [-0.7]), floats("high", [], [1.3])],
    }),
  );
}
