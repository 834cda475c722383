/**
 * What the table of movers claims, on numbers: rounding to FP16 in front of the operator and behind it gives the same bits, also for ties, subnormal
 * numbers, zeros of both signs, overflow, infinities and NaN.
 */
import type { TensorValue } from "@halfscope/core";
import { OrtSession } from "@halfscope/engine";
import { readModel } from "@halfscope/onnx";
import { movedInputs, moverOperators } from "@halfscope/precision";
import proto from "onnx-proto";
import { describe, expect, it } from "vitest";
import { type Face, floats, int64s, modelBytes, node, normal, seeded, temporaryFolder, writeModel } from "../support/model-file.js";

const folder = temporaryFolder();
type Attributes = Parameters<typeof node>[3];
type Constant = ReturnType<typeof floats>;

/** An operator as it is tried. Inputs `@0`, `@1` ... are the moved ones, of these shapes; the others name constants. */
interface Case {
  op: string;
  shapes: readonly (readonly number[])[];
  inputs: readonly string[];
  attributes?: Attributes;
  constants?: readonly Constant[];
  opset?: number;
  /** Rank 1 by default. */
  outputs?: readonly string[];
}
const bools = (name: string, values: readonly boolean[]): Constant => ({
  name,
  dims: [values.length],
  dataType: 9,
  rawData: Uint8Array.from(values, Number),
});
const uints = (name: string, values: readonly number[]): Constant => int64s(name, [values.length], values);
const plain = (op: string, shape: readonly number[], attributes: Attributes = {}): Case => ({
  op: `:${op}`,
  shapes: [shape],
  inputs: ["@0"],
  attributes,
});

const cases: readonly Case[] = [
  { op: ":Reshape", shapes: [[4, 6]], inputs: ["@0", "k"], constants: [uints("k", [3, 8])] },
  plain("Transpose", [4, 6], { perm: [1, 0] }),
  { op: ":Squeeze", shapes: [[24, 1]], inputs: ["@0", "k"], constants: [uints("k", [1])] },
  { op: ":Unsqueeze", shapes: [[24]], inputs: ["@0", "k"], constants: [uints("k", [0])] },
  plain("Flatten", [2, 3, 4]),
  plain("Identity", [24]),
  {
    op: ":Slice",
    shapes: [[4, 6]],
    inputs: ["@0", "s", "e", "a", "t"],
    constants: [uints("s", [5]), uints("e", [-10]), uints("a", [1]), uints("t", [-2])],
  },
  { op: ":Split", shapes: [[4, 6]], inputs: ["@0", "k"], constants: [uints("k", [1, 3])], outputs: ["y", "z"] },
  { op: ":Expand", shapes: [[4, 1]], inputs: ["@0", "k"], constants: [uints("k", [4, 5])] },
  { op: ":Tile", shapes: [[4, 6]], inputs: ["@0", "k"], constants: [uints("k", [2, 1])] },
  { op: ":Gather", shapes: [[4, 6]], inputs: ["@0", "k"], constants: [uints("k", [3, 0, 3])] },
  { op: ":GatherElements", shapes: [[4, 2]], inputs: ["@0", "k"], constants: [int64s("k", [1, 2], [3, 1])] },
  { op: ":GatherND", shapes: [[4, 6]], inputs: ["@0", "k"], constants: [int64s("k", [2, 2], [3, 1, 0, 5])] },
  plain("DepthToSpace", [1, 4, 2, 3], { blocksize: 2 }),
  plain("SpaceToDepth", [1, 1, 4, 6], { blocksize: 2 }),
  plain("Trilu", [4, 6]),
  { op: ":Compress", shapes: [[6]], inputs: ["@0", "k"], constants: [bools("k", [true, false, true, true, false, true])] },
  {
    op: ":ReverseSequence",
    shapes: [[4, 2]],
    inputs: ["@0", "k"],
    constants: [uints("k", [4, 3])],
    attributes: { time_axis: 0, batch_axis: 1 },
  },
  { op: ":CenterCropPad", shapes: [[4, 6]], inputs: ["@0", "k"], constants: [uints("k", [6, 3])], opset: 18 },
  plain("Relu", [48]),
  plain("Neg", [48]),
  plain("Abs", [48]),
  plain("MaxPool", [1, 2, 6, 6], { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [2, 2] }),
  {
    op: ":MaxUnpool",
    shapes: [[1, 1, 2, 2]],
    inputs: ["@0", "k"],
    constants: [int64s("k", [1, 1, 2, 2], [5, 7, 13, 15])],
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
  },
  plain("GlobalMaxPool", [1, 8, 2, 3]),
  plain("ReduceMax", [8, 6], { axes: [1] }),
  plain("ReduceMin", [8, 6], { axes: [1] }),
  plain("Dropout", [24]),
  {
    op: ":Concat",
    shapes: [
      [2, 3],
      [4, 3],
      [1, 3],
    ],
    inputs: ["@0", "@1", "@2"],
    attributes: { axis: 0 },
  },
  { op: ":Max", shapes: [[24], [24], [1]], inputs: ["@0", "@1", "@2"] },
  { op: ":Min", shapes: [[24], [24], [1]], inputs: ["@0", "@1", "@2"] },
  {
    op: ":TensorScatter",
    shapes: [
      [1, 1, 4, 2],
      [1, 1, 2, 2],
    ],
    inputs: ["@0", "@1", "k"],
    constants: [uints("k", [1])],
    opset: 24,
  },
  { op: ":Where", shapes: [[6], [6]], inputs: ["k", "@0", "@1"], constants: [bools("k", [true, false, true, true, false, true])] },
  { op: ":Pad", shapes: [[4, 6], []], inputs: ["@0", "k", "@1"], constants: [uints("k", [1, 0, 0, 2])] },
  { op: ":Pad", shapes: [[4, 6]], inputs: ["@0", "k"], constants: [uints("k", [1, 2, 2, 1])], attributes: { mode: { text: "reflect" } } },
  { op: ":Clip", shapes: [[48], [], []], inputs: ["@0", "@1", "@2"] },
  {
    op: ":Clip",
    shapes: [[48]],
    inputs: ["@0"],
    attributes: { min: { float: -0.25 }, max: { float: Number.POSITIVE_INFINITY } },
    opset: 6,
  },
  {
    op: ":ScatterElements",
    shapes: [
      [4, 2],
      [1, 2],
    ],
    inputs: ["@0", "k", "@1"],
    constants: [int64s("k", [1, 2], [3, 1])],
  },
  { op: ":ScatterND", shapes: [[4, 6], [2]], inputs: ["@0", "k", "@1"], constants: [int64s("k", [2, 2], [3, 1, 0, 5])] },
  {
    op: ":Scatter",
    shapes: [
      [4, 2],
      [1, 2],
    ],
    inputs: ["@0", "k", "@1"],
    constants: [int64s("k", [1, 2], [3, 1])],
    opset: 9,
  },
  { op: ":Resize", shapes: [[1, 1, 3, 5]], inputs: ["@0", "", "k"], constants: [floats("k", [4], [1, 1, 2.5, 0.7])] },
  {
    op: ":Resize",
    shapes: [[1, 1, 3, 5]],
    inputs: ["@0", "r", "k"],
    constants: [floats("r", [8], [0, 0, -0.2, 0.1, 1, 1, 1.1, 0.8]), floats("k", [4], [1, 1, 2, 2])],
    attributes: { coordinate_transformation_mode: { text: "tf_crop_and_resize" }, extrapolation_value: { float: 0.5 } },
  },
  { op: ":Upsample", shapes: [[1, 1, 3, 5]], inputs: ["@0", "k"], constants: [floats("k", [4], [1, 1, 2, 3])], opset: 9 },
  {
    op: "com.microsoft:ExpandDims",
    shapes: [[24]],
    inputs: ["@0", "k"],
    constants: [{ name: "k", dims: [], dataType: 6, int32Data: [1] }],
  },
  { op: "com.microsoft:Pad", shapes: [[4, 6], [1]], inputs: ["@0", "k", "@1"], constants: [uints("k", [1, 0, 0, 2])] },
  { op: "com.microsoft:Trilu", shapes: [[4, 6]], inputs: ["@0"] },
  { op: "com.microsoft:UnfoldTensor", shapes: [[4, 6]], inputs: ["@0"], attributes: { size: 3, step: 2 } },
];

/** Numbers at which rounding to FP16 does something special, each with both signs, among ordinary ones of every magnitude. */
const special = [
  0,
  1e-10,
  2 ** -25, // a tie between zero and the smallest subnormal number
  2 ** -25 * 1.001,
  1.5 * 2 ** -24, // a tie between subnormal numbers
  2 ** -14 - 2 ** -25,
  1 + 2 ** -11, // ties between normal numbers, to even and to odd
  1 + 3 * 2 ** -11,
  65504,
  65519.99,
  65520, // the first that overflows
  1e30,
  Number.POSITIVE_INFINITY,
  Number.NaN,
];
function numbers(count: number, random: () => number): Float32Array {
  const one = () => {
    if (random() < 0.5) return normal(random) * 2 ** Math.floor(random() * 44 - 26);
    return (special[Math.floor(random() * special.length)] ?? 0) * (random() < 0.5 ? -1 : 1);
  };
  return Float32Array.from({ length: count }, one);
}

const size = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1);
const bytes = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
/**
 * Operators that compare do not tell -0 from 0, and which of the two they give depends on order and kernel: a small negative number that rounding
 * makes -0 may lose to 0 or not. ONNX Runtime's Where adds its two branches, which makes -0 a 0. Their claim holds up to the sign of a zero.
 */
const signOfZeroOpen = new Set(
  ["Relu", "Max", "Min", "Clip", "MaxPool", "GlobalMaxPool", "ReduceMax", "ReduceMin", "Where"].map((op) => `:${op}`),
);

/** Bits of each number; every NaN is one NaN. */
function bitsOf(data: Uint8Array, signOfZero: boolean): number[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: data.byteLength / 4 }, (_, i) => {
    const value = view.getFloat32(4 * i, true);
    if (Number.isNaN(value)) return 0x7fc00000;
    return value === 0 && !signOfZero ? 0 : view.getUint32(4 * i, true);
  });
}

/** A model with the operator twice: behind rounded inputs, and in front of a rounding. Types of its outputs are left to ONNX Runtime. */
function bothOrders(c: Case): Uint8Array {
  const [domain = "", opType = ""] = c.op.split(":");
  const outputs = c.outputs ?? ["y"];
  const round = (from: string, to: string, shape?: readonly number[]) =>
    node("Round", [from], [to], { switch: 0, scalar: shape?.length === 0 ? 1 : 0 }, "halfscope");
  const faces = (names: readonly string[]): Face[] => names.map((name) => ({ name, dims: [], elementType: 1 }));
  const bytes = modelBytes({
    nodes: [
      ...c.shapes.map((shape, i) => round(`@${i}`, `@${i}r`, shape)),
      node(
        opType,
        c.inputs.map((t) => (t.startsWith("@") ? `${t}r` : t)),
        outputs,
        c.attributes,
        domain,
      ),
      node(
        opType,
        c.inputs,
        outputs.map((t) => `${t}#full`),
        c.attributes,
        domain,
      ),
      ...outputs.map((t) => round(`${t}#full`, `${t}#after`)),
    ],
    inputs: c.shapes.map((dims, i) => ({ name: `@${i}`, dims })),
    outputs: faces(outputs.flatMap((t) => [t, `${t}#after`])),
    initializers: c.constants ?? [],
    opset: c.opset ?? 17,
    domains: { halfscope: 1, "com.microsoft": 1 },
  });
  const model = proto.onnx.ModelProto.decode(bytes);
  for (const output of model.graph?.output ?? []) delete output.type;
  return proto.onnx.ModelProto.encode(model).finish();
}

describe.each(cases.map((c) => [`${c.op} of ${c.inputs.join(", ")}`, c] as const))("%s", (_, c) => {
  it("hands on exactly the inputs that are tried here", async () => {
    const { graph } = await readModel(writeModel(folder, bothOrders(c)));
    const tried = graph.nodes.find((n) => n.opType === c.op.split(":")[1])!;
    expect(movedInputs(tried)).toEqual(c.inputs.flatMap((t, i) => (t.startsWith("@") ? [i] : [])));
  });

  it("gives the same bits whether rounding is in front of it or behind it", async () => {
    using session = await OrtSession.create({
      model: bothOrders(c),
      folder: "",
      threads: 1,
      optimization: "disabled",
      prepacking: false,
      switchCount: 1,
      slotCount: 0,
    });
    const outputs = c.outputs ?? ["y"];
    const bits = (value: TensorValue | undefined) => bitsOf(value!.data, !signOfZeroOpen.has(c.op));
    for (let seed = 1; seed <= 40; seed++) {
      const random = seeded(seed);
      for (const [i, dims] of c.shapes.entries())
        session.setFeed(`@${i}`, { dtype: "float32", dims, data: bytes(numbers(size(dims), random)) });
      const run = await session.run({ switches: Uint8Array.of(1), fetch: outputs.flatMap((t) => [t, `${t}#after`]) });
      for (const t of outputs) {
        expect(bits(run.outputs.get(t)).length).toBeGreaterThan(0);
        expect(bits(run.outputs.get(t)), `seed ${seed}`).toEqual(bits(run.outputs.get(`${t}#after`)));
      }
    }
  });
});

it("every mover is tried", () => {
  expect(moverOperators.filter((name) => !cases.some((c) => c.op === name))).toEqual([]);
});
