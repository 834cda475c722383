/** Initializers in every field and type, names that stand for nothing, and graphs whose faces are odd. */
import {
  bool,
  doubleData,
  elementType,
  float,
  floatData,
  floatDataOneByOne,
  floats,
  fn,
  graph,
  int64,
  int64s,
  integersIn,
  model,
  node,
  optionalType,
  raw,
  sequenceType,
  sparse,
  stringData,
  tensor,
  tensorType,
  value,
} from "../build.js";
import { floatValue, intValue, noise, type Torture } from "../torture.js";

const face = [2, 3];
const x = floatValue(face, noise(6, 60));
const square = (name: string, seed: number) => floats(name, [3, 3], noise(9, seed));

/** Floats in float_data, packed and one by one, and integers in int64_data; nothing is in raw_data. */
const typedFields: Torture = {
  bytes: model({
    inputs: [float("x", face)],
    outputs: [float("out", [6])],
    nodes: [
      node("MatMul", ["x", "packed"], ["a"]),
      node("Add", ["a", "single"], ["b"]),
      node("Reshape", ["b", "shape"], ["c"]),
      node("Cast", ["double"], ["d"], { to: 1 }),
      node("Mul", ["c", "d"], ["e"]),
      node("Concat", ["single", "single"], ["hg"], { axis: 0 }),
      node("Add", ["e", "hg"], ["f"]),
      node("Where", ["mask", "f", "e"], ["w"]),
      node("Cast", ["bytes"], ["i"], { to: 1 }),
      node("Mul", ["w", "i"], ["j"]),
      node("Cast", ["words"], ["k"], { to: 1 }),
      node("Add", ["j", "k"], ["out"]),
    ],
    initializers: [
      tensor("packed", elementType.float, [3, 3], floatData(noise(9, 61))),
      tensor("single", elementType.float, [3], floatDataOneByOne(noise(3, 62))),
      tensor("shape", elementType.int64, [1], integersIn(7, [6])),
      tensor("double", elementType.double, [6], doubleData(noise(6, 63))),
      tensor("mask", elementType.bool, [6], integersIn(5, [1, 0, 1, 1, 0, 1])),
      tensor("bytes", elementType.int8, [6], integersIn(5, [1, -2, 3, -4, 5, -6])),
      tensor("words", elementType.uint64, [6], integersIn(11, [1, 2, 3, 4, 5, 2n ** 63n])),
    ],
  }),
  feed: { x },
};

/** Two sparse initializers, one beside and one inside a branch. */
const sparseTensors: Torture = {
  bytes: model({
    inputs: [float("x", face), bool("flag")],
    outputs: [float("out", face)],
    nodes: [
      node("MatMul", ["x", "w"], ["h"]),
      node("If", ["flag"], ["y"], {
        then_branch: graph({
          nodes: [node("MatMul", ["h", "v"], ["o"])],
          outputs: [float("o", face)],
          sparse: [sparse("v", [3, 3], noise(2, 65), [0, 7])],
        }),
        else_branch: graph({ nodes: [node("Add", ["h", "x"], ["o"])], outputs: [float("o", face)] }),
      }),
      node("Tanh", ["y"], ["out"]),
    ],
    sparse: [sparse("w", [3, 3], noise(3, 64), [1, 5, 6])],
  }),
  feed: { x, flag: { dtype: "bool", dims: [], data: Uint8Array.of(1) } },
};

const strings: Torture = {
  bytes: model({
    inputs: [float("x", face), int64("which", [2])],
    outputs: [float("out", face), value("chosen", tensorType(elementType.string, [2]))],
    nodes: [node("Gather", ["words", "which"], ["chosen"], { axis: 0 }), node("MatMul", ["x", "w"], ["h"]), node("Tanh", ["h"], ["out"])],
    initializers: [tensor("words", elementType.string, [3], stringData(["ä", "", "\u{1f600}"])), square("w", 66)],
  }),
  feed: { x, which: intValue([2], [2, 0]) },
};

/** Weights of 4 bits, packed in raw_data and in int32_data, that DequantizeLinear turns into floats. */
const fourBits: Torture = {
  bytes: model({
    opsets: { "": 21 },
    inputs: [float("x", face)],
    outputs: [float("out", face)],
    nodes: [
      node("DequantizeLinear", ["q", "scale"], ["w"]),
      node("MatMul", ["x", "w"], ["h"]),
      node("DequantizeLinear", ["u", "scale"], ["b"]),
      node("Add", ["h", "b"], ["s"]),
      node("Tanh", ["s"], ["out"]),
    ],
    initializers: [
      tensor("q", elementType.int4, [3, 3], raw(Uint8Array.of(0x21, 0xf3, 0x8e, 0x47, 0x05))),
      tensor("u", elementType.uint4, [3], integersIn(5, [0x9a, 0x03])),
      floats("scale", [], [0.0731]),
    ],
  }),
  feed: { x },
};

const eightBitFloats: Torture = {
  bytes: model({
    opsets: { "": 19 },
    inputs: [float("x", face)],
    outputs: [float("out", face)],
    nodes: [
      node("DequantizeLinear", ["q", "scale"], ["w"]),
      node("MatMul", ["x", "w"], ["h"]),
      node("DequantizeLinear", ["e", "scale"], ["b"]),
      node("Add", ["h", "b"], ["s"]),
      node("Tanh", ["s"], ["out"]),
    ],
    initializers: [
      tensor("q", elementType.float8e4m3fn, [3, 3], raw(Uint8Array.of(0x38, 0xb8, 0x40, 0x30, 0x28, 0xb0, 0x3c, 0x34, 0xc0))),
      tensor("e", elementType.float8e5m2, [3], integersIn(5, [0x3c, 0xbc, 0x38])),
      floats("scale", [], [0.371]),
    ],
  }),
  feed: { x },
};

/** IR version 3: every initializer is an input as well. */
const oldFace: Torture = {
  bytes: model({
    ir: 3,
    opsets: { "": 9 },
    inputs: [float("x", face), float("w", [3, 3]), float("b", [3])],
    outputs: [float("out", face)],
    nodes: [
      node("MatMul", ["x", "w"], ["h"]),
      node("Add", ["h", "b"], ["s"]),
      node("Tanh", ["s"], ["t"]),
      node("MatMul", ["t", "w"], ["out"]),
    ],
    initializers: [square("w", 67), floats("b", [3], noise(3, 68))],
  }),
  feed: { x },
};

/** Outputs that are an initializer, a graph input, and one tensor beside them that is computed. */
const oddOutputs: Torture = {
  bytes: model({
    inputs: [float("x", face), float("passed", face)],
    outputs: [float("w", [3, 3]), float("out", face), float("passed", face), float("x", face)],
    nodes: [node("MatMul", ["x", "w"], ["h"]), node("Tanh", ["h"], ["out"])],
    initializers: [square("w", 69)],
  }),
  feed: { x, passed: floatValue(face, noise(6, 70)) },
};

/** Inputs left out in the middle and at the end, outputs left out in front. */
const omitted: Torture = {
  bytes: model({
    inputs: [float("x", [5, 2, 3])],
    outputs: [float("out", [2, 4])],
    nodes: [
      node("Clip", ["x", "", "high"], ["c"]),
      node("LSTM", ["c", "W", "R", "", "", "", "C0", ""], ["", "", "last"], { hidden_size: 4 }),
      node("Squeeze", ["last", "zero"], ["s"]),
      node("Dropout", ["s", "", ""], ["d", ""]),
      node("Softmax", ["d"], ["out"], { axis: -1 }),
    ],
    initializers: [
      floats("high", [], [0.37]),
      floats("W", [1, 16, 3], noise(48, 71)),
      floats("R", [1, 16, 4], noise(64, 72)),
      floats("C0", [1, 2, 4], noise(8, 73)),
      int64s("zero", [1], [0]),
    ],
  }),
  feed: { x: floatValue([5, 2, 3], noise(30, 74)) },
};

/** The same weight for two products, of which a plan may pin one. */
const sharedWeight: Torture = {
  bytes: model({
    inputs: [float("x", face)],
    outputs: [float("out", face)],
    nodes: [
      node("MatMul", ["x", "w"], ["a"]),
      node("Tanh", ["a"], ["t"]),
      node("MatMul", ["t", "w"], ["b"]),
      node("Mul", ["b", "scale"], ["c"]),
      node("Add", ["a", "scale"], ["d"]),
      node("Add", ["c", "d"], ["out"]),
    ],
    initializers: [square("w", 75), floats("scale", [], [0.1])],
  }),
  feed: { x },
};

/** A constant beside a computed value behind a Concat: their roundings share an edge, but only the constant may be kept finite. */
const mixedConcat: Torture = {
  bytes: model({
    inputs: [float("x", face)],
    outputs: [float("out", [4, 3]), float("out2", face)],
    nodes: [
      node("Mul", ["x", "huge"], ["big"]),
      node("Concat", ["c", "big"], ["cat"], { axis: 0 }),
      node("Mul", ["cat", "tiny"], ["out"]),
      node("Mul", ["c", "tiny"], ["o2"]),
      node("Mul", ["big", "tiny"], ["o3"]),
      node("Add", ["o2", "o3"], ["out2"]),
    ],
    initializers: [floats("c", face, [1e6, 0.1, 0.2, 0.3, 0.4, 0.5]), floats("huge", [], [50_000]), floats("tiny", [], [2 ** -14])],
  }),
  feed: { x: floatValue(face, [2, -2, 0.1, 0.3, 1, -1]) },
};

const sequences: Torture = {
  bytes: model({
    inputs: [float("x", face)],
    outputs: [float("out", face), float("cat", [6, 3])],
    nodes: [
      node("MatMul", ["x", "w"], ["a"]),
      node("Tanh", ["a"], ["b"]),
      node("SequenceConstruct", ["a", "b"], ["seq"]),
      node("SequenceInsert", ["seq", "x", "one"], ["more"]),
      node("SequenceAt", ["more", "two"], ["picked"]),
      node("ConcatFromSequence", ["more"], ["cat"], { axis: 0 }),
      node("MatMul", ["picked", "w"], ["out"]),
    ],
    initializers: [square("w", 76), int64s("one", [], [1]), int64s("two", [], [2])],
  }),
  feed: { x },
};

const sequenceMap: Torture = {
  bytes: model({
    inputs: [float("x", face)],
    outputs: [float("out", face)],
    nodes: [
      node("MatMul", ["x", "w"], ["a"]),
      node("SequenceConstruct", ["x", "a"], ["seq"]),
      node("SequenceMap", ["seq", "a"], ["mapped"], {
        body: graph({
          inputs: [float("e", face), float("same", face)],
          nodes: [node("Mul", ["e", "same"], ["p"]), node("Tanh", ["p"], ["r"])],
          outputs: [float("r", face)],
        }),
      }),
      node("SequenceAt", ["mapped", "one"], ["picked"]),
      node("Exp", ["picked"], ["out"]),
    ],
    initializers: [square("w", 77), int64s("one", [], [1])],
    opsets: { "": 17 },
  }),
  feed: { x },
};

const optionals: Torture = {
  bytes: model({
    opsets: { "": 18 },
    inputs: [float("x", face)],
    outputs: [float("out", face)],
    nodes: [
      node("MatMul", ["x", "w"], ["a"]),
      node("Optional", ["a"], ["maybe"]),
      node("Optional", [], ["nothing"], { type: { type: tensorType(elementType.float, face) } }),
      node("OptionalHasElement", ["maybe"], ["has"]),
      node("OptionalHasElement", ["nothing"], ["hasNot"]),
      node("And", ["has", "hasNot"], ["both"]),
      node("OptionalGetElement", ["maybe"], ["got"]),
      node("Where", ["both", "x", "got"], ["chosen"]),
      node("Tanh", ["chosen"], ["out"]),
    ],
    initializers: [square("w", 78)],
    valueInfos: [
      value("maybe", optionalType(tensorType(elementType.float, face))),
      value("nothing", optionalType(sequenceType(tensorType(elementType.float, face)))),
    ].slice(0, 1),
  }),
  feed: { x },
};

/** A sequence that a Loop carries and grows. */
const carriedSequence: Torture = {
  bytes: model({
    inputs: [float("x", face)],
    outputs: [float("out", [8, 3])],
    nodes: [
      node("SequenceConstruct", ["x"], ["start"]),
      node("Loop", ["count", "", "start", "x"], ["grown", "last"], {
        body: graph({
          inputs: [int64("i"), bool("go"), value("s", sequenceType(tensorType(elementType.float))), float("a", face)],
          nodes: [
            node("Identity", ["go"], ["going"]),
            node("MatMul", ["a", "w"], ["p"]),
            node("Sin", ["p"], ["next"]),
            node("SequenceInsert", ["s", "next"], ["longer"]),
          ],
          outputs: [bool("going"), value("longer", sequenceType(tensorType(elementType.float))), float("next", face)],
        }),
      }),
      node("ConcatFromSequence", ["grown"], ["cat"], { axis: 0 }),
      node("Exp", ["cat"], ["out"]),
    ],
    initializers: [square("w", 79), int64s("count", [], [3])],
  }),
  feed: { x },
};

/** Nothing but integers. */
const integersOnly: Torture = {
  bytes: model({
    inputs: [int64("i", [3])],
    outputs: [int64("out", [3])],
    nodes: [node("Add", ["i", "one"], ["out"])],
    initializers: [int64s("one", [], [1])],
  }),
  feed: { i: intValue([3], [1, 2, 3]) },
  noFloats: true,
};

/** Both products have one name, which ONNX Runtime does not take; other programs do. */
const sameNodeNames: Torture = {
  bytes: model({
    inputs: [float("x", face)],
    outputs: [float("out", face)],
    nodes: [
      node("MatMul", ["x", "w"], ["a"], {}, { name: "same" }),
      node("Tanh", ["a"], ["b"], {}, { name: "" }),
      node("MatMul", ["b", "w"], ["out"], {}, { name: "same" }),
    ],
    initializers: [square("w", 80)],
  }),
};

/** A function that gives out what it was given, and one tensor twice: ONNX Runtime makes no schema for it. */
const handedThrough: Torture = {
  bytes: model({
    opsets: { "": 17, local: 1 },
    inputs: [float("x", face)],
    outputs: [float("out", face), float("same", face)],
    nodes: [node("Through", ["x"], ["same", "y1", "y2"], {}, { domain: "local", name: "t" }), node("Add", ["y1", "y2"], ["out"])],
    functions: [
      fn({
        domain: "local",
        name: "Through",
        inputs: ["A"],
        outputs: ["A", "Y", "Y"],
        nodes: [node("Exp", ["A"], ["Y"])],
        opsets: { "": 17 },
      }),
    ],
  }),
};

export const values: Readonly<Record<string, Torture>> = {
  "values in typed data fields": typedFields,
  "sparse initializers": sparseTensors,
  "string initializers": strings,
  "weights of 4 bits": fourBits,
  "weights of 8-bit floats": eightBitFloats,
  "initializers that are inputs too": oldFace,
  "outputs that are initializers or inputs": oddOutputs,
  "inputs and outputs left out": omitted,
  "a weight that two products share": sharedWeight,
  sequences: sequences,
  "a SequenceMap": sequenceMap,
  "optional values": optionals,
  "a Loop that carries a sequence": carriedSequence,
  "integers only": integersOnly,
  "a node name twice in one graph": sameNodeNames,
  "a function that hands its input through": handedThrough,
};

/** Models that show faults of ours which are known and not mended yet. */
export const awaiting = { mixedConcat } satisfies Readonly<Record<string, Torture>>;
