/** Models of a newer ONNX: fields that no schema knows at every level, element types and operator sets to come. */
import { block, fixed32, fixed64, varintField } from "../../support/wire.js";
import {
  attribute,
  bool,
  type Extra,
  elementType,
  float,
  floats,
  fn,
  graph,
  int64s,
  model,
  node,
  raw,
  sparse,
  tensor,
  tensorType,
  value,
} from "../build.js";
import { boolValue, floatValue, noise, type Torture } from "../torture.js";

const face = [2, 3];
const x = floatValue(face, noise(6, 100));

/** Fields of every wire type, with a text by which a test finds them again. */
export const unknown = (marker: string): Extra => [
  block(500, `<${marker}>`),
  varintField(501, 2n ** 63n),
  fixed32(502, 1.5),
  fixed64(503, [1, 2, 3, 4, 5, 6, 7, 8]),
];
/** Markers in a file, in order. */
export const markersIn = (bytes: Uint8Array): string[] =>
  [
    ...Buffer.from(bytes)
      .toString("latin1")
      .matchAll(/<([\w ]+)>/g),
  ].map((m) => m[1] ?? "");

const dims = (marker: string) =>
  block(2, [
    block(1, [varintField(1, 2), ...unknown(`dimension of ${marker}`)]),
    block(1, [varintField(1, 3)]),
    ...unknown(`shape of ${marker}`),
  ]);
/** A ValueInfoProto with unknown fields in itself, its type, its tensor type, its shape and a dimension. */
const marked = (name: string) =>
  value(
    name,
    Buffer.concat([
      block(1, [varintField(1, elementType.float), dims(name), ...unknown(`tensor type of ${name}`)]),
      ...unknown(`type of ${name}`),
    ]),
    unknown(`value ${name}`),
  );
const markedNode = (opType: string, inputs: readonly string[], output: string, attributes: Parameters<typeof node>[3] = {}) =>
  node(opType, inputs, [output], attributes, {
    extra: [
      ...unknown(`node of ${output}`),
      block(9, [block(1, "key"), block(2, `<metadata of ${output}>`), ...unknown(`entry of ${output}`)]),
    ],
    attributeExtra: unknown(`attribute of ${output}`),
  });
const markedTensor = (name: string, size: readonly number[], seed: number) =>
  tensor(
    name,
    elementType.float,
    size,
    raw(
      Float32Array.from(
        noise(
          size.reduce((n, d) => n * d, 1),
          seed,
        ),
      ),
    ),
    [...unknown(`tensor ${name}`), block(12, `<doc string of ${name}>`)],
  );
const shapes = { axis: -1 };

const branch = (side: string, opType: string) =>
  graph({
    nodes: [
      markedNode("MatMul", ["h", `w_${side}`], `p_${side}`),
      markedNode(opType, [`p_${side}`], `o_${side}`, opType === "Softmax" ? shapes : {}),
    ],
    outputs: [marked(`o_${side}`)],
    initializers: [markedTensor(`w_${side}`, [3, 3], 101)],
    valueInfos: [marked(`p_${side}`)],
    extra: [...unknown(`graph of ${side}`), block(10, `<doc string of ${side}>`)],
  });

export const unknownFields: Torture = {
  bytes: model({
    inputs: [marked("x"), bool("flag")],
    outputs: [marked("out")],
    nodes: [
      markedNode("MatMul", ["x", "w"], "h"),
      markedNode("If", ["flag"], "y", { then_branch: branch("then", "Tanh"), else_branch: branch("else", "Softmax") }),
      markedNode("Constant", [], "c", { value: { tensor: markedTensor("", [3], 102) } }),
      markedNode("Add", ["y", "c"], "s"),
      markedNode("Cast", ["s"], "t", { to: 1 }),
      markedNode("Softmax", ["t"], "u", shapes),
      markedNode("MatMul", ["u", "w"], "out"),
    ],
    initializers: [
      markedTensor("w", [3, 3], 103),
      tensor("unread", elementType.int64, [1], raw(BigInt64Array.of(7n)), unknown("tensor unread")),
    ],
    valueInfos: [marked("h"), marked("y"), marked("s"), marked("u")],
    extra: [
      ...unknown("graph"),
      block(10, "<doc string>"),
      block(14, [block(1, "w"), block(2, [block(1, "SCALE_TENSOR"), block(2, "w")]), ...unknown("quantization of w")]),
    ],
    modelExtra: [...unknown("model"), block(14, [block(1, "key"), block(2, "<metadata>"), ...unknown("entry of the model")])],
  }),
  feed: { x, flag: boolValue(true) },
};

/** Functions with unknown fields; one is called, one is not. */
export const unknownInFunctions: Torture = {
  bytes: model({
    opsets: { "": 17, local: 1 },
    inputs: [float("x", face)],
    outputs: [float("out", face)],
    nodes: [
      node(
        "F",
        ["x"],
        ["h"],
        { slope: { float: 0.3 } },
        { domain: "local", name: "call", extra: unknown("call"), attributeExtra: unknown("attribute of call") },
      ),
      node("Tanh", ["h"], ["out"]),
    ],
    functions: ["F", "G"].map((name) =>
      fn({
        domain: "local",
        name,
        inputs: ["X"],
        outputs: ["Y"],
        attributes: ["slope"],
        defaults: [attribute("other", { float: 1 }, unknown(`default of ${name}`))],
        nodes: [
          node("LeakyRelu", ["X"], ["A"], { alpha: { ref: "slope", type: 1 } }, { name: "a", extra: unknown(`node of ${name}`) }),
          markedNode("Constant", [], `C${name}`, { value: { tensor: markedTensor("", [3], 104) } }),
          node("Add", ["A", `C${name}`], ["Y"], {}, { name: "y" }),
        ],
        opsets: { "": 17 },
        extra: unknown(`function ${name}`),
      }),
    ),
  }),
  feed: { x },
};

/** Everything in a version of the operators that does not exist yet, with a type of tensors that does not either. */
export const nextYear: Torture = {
  bytes: model({
    ir: 99,
    opsets: { "": 99, "ai.onnx.ml": 99, "future.domain": 7 },
    inputs: [float("x", face)],
    outputs: [float("out", face), value("odd", tensorType(77, [3]))],
    nodes: [
      node("MatMul", ["x", "w"], ["h"]),
      node("Reshuffle", ["h", "odd"], ["r"], {
        graphs: { graphs: [graph({ nodes: [node("Tanh", ["h"], ["inner"])], outputs: [float("inner")] })] },
      }),
      node("Tanh", ["r"], ["out"]),
    ],
    initializers: [
      floats("w", [3, 3], noise(9, 105)),
      tensor("odd", 77, [3], raw(Uint8Array.of(1, 2, 3, 4, 5, 6, 7))),
      tensor("odder", 78, [4], [block(55, Uint8Array.of(1, 2, 3))]),
      tensor("scales", 24, [3], raw(Uint8Array.of(127, 128, 129))),
      tensor("tiny", 25, [5], raw(Uint8Array.of(0x1b, 0x02))),
    ],
    sparse: [sparse("s", [3, 3], [1, 2], [0, 8])],
  }),
};

/** The same types in a model that ONNX Runtime could run without them. */
export const futureTypes: Torture = {
  bytes: model({
    inputs: [float("x", face)],
    outputs: [float("out", face)],
    nodes: [node("MatMul", ["x", "w"], ["h"]), node("Tanh", ["h"], ["out"])],
    initializers: [
      floats("w", [3, 3], noise(9, 106)),
      tensor("odd", 77, [3], raw(Uint8Array.of(1, 2, 3, 4, 5, 6, 7))),
      int64s("one", [1], [1]),
    ],
    valueInfos: [value("odd", tensorType(77, [3]))],
  }),
};

export const future: Readonly<Record<string, Torture>> = {
  "unknown fields at every level": unknownFields,
  "unknown fields in functions": unknownInFunctions,
  "operators of next year": nextYear,
  "element types of next year": futureTypes,
};
