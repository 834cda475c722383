import { writeFileSync } from "node:fs";
import { join } from "node:path";
import proto from "onnx-proto";
import { describe, expect, it } from "vitest";
import { floats, int64s, modelBytes, node, temporaryFolder } from "../../../test/support/model-file.js";
import { ropeBytes } from "../../../test/support/rope-bytes.js";
import { block, fixed32, fixed64, packed, varintField } from "../../../test/support/wire.js";
import { editNode, encodeNode } from "./encode.js";
import { viewGraph } from "./graph-view.js";
import { readModel } from "./read-model.js";
import { type GraphEdit, rewriteModel } from "./rewrite.js";

const folder = temporaryFolder();
const path = join(folder, "m.onnx");
const decode = (bytes: Uint8Array) => proto.onnx.ModelProto.decode(bytes).graph!;
async function rewritten(bytes: Uint8Array, edit?: GraphEdit): Promise<Buffer> {
  writeFileSync(path, bytes);
  return ropeBytes(rewriteModel(await readModel(path), edit));
}
const keepAll: GraphEdit = {
  node: () => undefined,
  initializer: () => undefined,
  input: () => undefined,
  output: () => undefined,
  valueInfo: () => undefined,
};
const unknown = [block(200, "future"), varintField(201, 2n ** 63n), fixed32(202, 1), fixed64(203, [1, 2, 3, 4, 5, 6, 7, 8])];
const add = (extra: readonly Uint8Array[] = [], width?: number) =>
  block(1, [block(1, "x"), block(1, "w"), block(2, "y"), block(4, "Add"), ...extra], width);
const output = block(12, block(1, "y"));

const odd: Record<string, Uint8Array> = {
  "fields that nobody knows, at every level": Buffer.concat([
    varintField(1, 8),
    ...unknown,
    block(7, [...unknown, add(unknown), block(5, [varintField(2, 1), block(8, "w"), ...unknown]), block(12, [block(1, "y"), ...unknown])]),
    ...unknown,
  ]),
  "length prefixes and numbers longer than needed": Buffer.concat([
    varintField(1, 8, 9),
    block(7, [add([], 5), block(5, [varintField(2, 1, 3), block(8, "w", 4)], 10), output], 7),
    block(8, [block(1, "", 3), varintField(2, 17, 6)], 2),
  ]),
  "initializers of element types newer than the schema, raw, typed and in a field of their own": Buffer.concat([
    varintField(1, 8),
    block(7, [
      add(),
      block(5, [varintField(1, 2), varintField(2, 99), block(9, Buffer.from([1, 2, 3])), block(8, "raw")]),
      block(5, [varintField(1, 2), varintField(2, 99), packed(5, [7, 300]), block(8, "typed")]),
      block(5, [varintField(1, 2), varintField(2, 100), block(44, "values"), block(8, "other")]),
      output,
    ]),
  ]),
  "sparse and string initializers, and metadata": Buffer.concat([
    varintField(1, 8),
    block(7, [
      add([block(9, [block(1, "key"), block(2, "value")])]),
      block(15, [
        block(1, [varintField(1, 1), varintField(2, 1), fixed32(4, 2), block(8, "w")]),
        block(2, [packed(7, [1])]),
        packed(3, [3]),
      ]),
      block(5, [varintField(2, 8), varintField(1, 2), block(6, "a"), block(6, ""), block(8, "words")]),
      output,
    ]),
    block(14, [block(1, "k"), block(2, "v")]),
  ]),
  "interleaved kinds of elements, and a name twice": Buffer.concat([
    block(7, [
      output,
      block(5, [block(8, "w"), varintField(2, 1)]),
      block(2, "first"),
      add(),
      block(11, block(1, "x")),
      block(2, "second"),
      block(13, block(1, "y")),
    ]),
    varintField(1, 3),
  ]),
};

describe("a model that is written unchanged has the same bytes", () => {
  it.each(Object.entries(odd))("with %s", async (_, bytes) => {
    expect(await rewritten(bytes)).toEqual(Buffer.from(bytes));
    expect(await rewritten(bytes, keepAll)).toEqual(Buffer.from(bytes));
  });

  it("with initializers that are inputs too, of IR version 3", async () => {
    const bytes = modelBytes({
      nodes: [node("Add", ["x", "w"], ["y"])],
      inputs: [
        { name: "x", dims: [2] },
        { name: "w", dims: [2] },
      ],
      outputs: [{ name: "y", dims: [2] }],
      initializers: [floats("w", [2], [1, 2])],
      irVersion: 3,
    });
    expect(await rewritten(bytes, keepAll)).toEqual(Buffer.from(bytes));
    const model = await readModel(path);
    expect([model.irVersion, model.graph.inputs.length, model.graph.initializers.length]).toEqual([3, 2, 1]);
  });
});

describe("an edit", () => {
  const bytes = modelBytes({
    nodes: [node("Add", ["x", "w"], ["y"]), node("Mul", ["y", "w"], ["z"], { k: 5 })],
    inputs: [{ name: "x", dims: [2] }],
    outputs: [{ name: "z", dims: [2] }],
    initializers: [floats("w", [600], Array(600).fill(1)), int64s("i", [1], [7])],
    valueInfos: [{ name: "y", dims: [2] }],
  });

  it("of one element leaves every other one byte for byte", async () => {
    writeFileSync(path, bytes);
    const model = await readModel(path);
    const renamed = await ropeBytes(
      rewriteModel(model, {
        node: (n) => (n.opType === "Mul" ? [editNode(n, { input: (t) => (t === "y" ? "longer name" : t) })] : undefined),
      }),
    );
    const before = decode(bytes);
    const after = decode(renamed);
    expect(after.node?.[1]?.input).toEqual(["longer name", "w"]);
    before.node![1]!.input = ["longer name", "w"];
    expect(after).toEqual(before);
  });

  it("can drop, multiply and put nodes first and last", async () => {
    const make = (name: string) => encodeNode({ name, opType: "Relu", inputs: ["x"], outputs: [name] });
    const after = decode(
      await rewritten(bytes, {
        node: (n) => (n.opType === "Add" ? [] : [n.bytes, make("copy")]),
        firstNodes: [make("first")],
        lastNodes: [make("last")],
        initializer: (i) => (i.name === "i" ? [] : undefined),
        valueInfo: () => [],
      }),
    );
    expect(after.node?.map((n) => n.name)).toEqual(["first", "node of z", "copy", "last"]);
    expect([after.initializer?.map((i) => i.name), after.valueInfo]).toEqual([["w"], []]);
  });

  it("of a node keeps its unknown fields and other attributes", async () => {
    writeFileSync(path, odd["fields that nobody knows, at every level"]!);
    const [first] = (await readModel(path)).graph.nodes;
    const edited = editNode(first!, { output: () => "other", name: "named" });
    expect(Buffer.from(edited).includes(Buffer.concat(unknown))).toBe(true);
    expect(proto.onnx.NodeProto.decode(edited)).toMatchObject({ output: ["other"], name: "named", input: ["x", "w"] });
  });
});

describe("names inside subgraphs", () => {
  const inner = (nodes: readonly Uint8Array[], out: string) => block(6, [...nodes, block(2, "body"), block(12, block(1, out))]);
  const nodeBytes = (op: string, inputs: string[], out: string, more: Uint8Array[] = []) =>
    block(1, [...inputs.map((i) => block(1, i)), block(2, out), block(4, op), ...more]);
  const branch = (name: string, graph: Uint8Array) => block(5, [block(1, name), varintField(20, 5), graph]);
  const bytes = Buffer.concat([
    varintField(1, 8),
    block(7, [
      nodeBytes("If", ["c"], "y", [
        branch("then_branch", inner([nodeBytes("Add", ["a", "b"], "t")], "t")),
        branch("else_branch", inner([nodeBytes("Neg", ["a"], "b"), nodeBytes("Relu", ["b"], "e")], "e")),
      ]),
      block(12, block(1, "y")),
    ]),
  ]);

  it("that come from outside are read as uses, those defined inside are not", async () => {
    writeFileSync(path, bytes);
    const view = viewGraph((await readModel(path)).graph);
    expect([...view.outer.values()]).toEqual([["a", "b"]]);
    expect(view.consumers.get("a")?.map((u) => `${u.node.opType}#${u.input}`)).toEqual(["Add#0", "Neg#0"]);
    expect(view.links).toMatchObject([{ to: "y", from: ["t", "e"] }]);
  });

  it("are renamed where they come from outside and kept where a name of the subgraph hides them", async () => {
    writeFileSync(path, bytes);
    const [first] = (await readModel(path)).graph.nodes;
    const edited = proto.onnx.NodeProto.decode(editNode(first!, { outer: (t) => `${t}!` }));
    const nodes = (i: number) => edited.attribute[i]!.g!.node!.map((n) => n.input);
    expect([edited.input, nodes(0), nodes(1)]).toEqual([["c"], [["a!", "b!"]], [["a!"], ["b"]]]);
  });
});
