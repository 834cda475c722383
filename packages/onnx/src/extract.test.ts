import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TensorValue } from "@halfscope/core";
import proto from "onnx-proto";
import { afterAll, describe, expect, it } from "vitest";
import { checkExternalData, readInitializer } from "./external-data.js";
import { extractModel } from "./extract.js";
import { type GraphView, viewGraph } from "./graph-view.js";
import { readModel } from "./read-model.js";
import { nodesBetween, regionOf, withCauses } from "./region.js";
import { writeRope } from "./rope.js";
import type { Node } from "./types.js";

const { onnx } = proto;
const folder = mkdtempSync(join(tmpdir(), "halfscope-extract-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const op = (opType: string, input: string[], output: string[], attribute: proto.onnx.IAttributeProto[] = []): proto.onnx.INodeProto => ({
  opType,
  input,
  output,
  name: `${opType} of ${output[0]}`,
  attribute,
});
const weights = (name: string, count: number): proto.onnx.ITensorProto => ({
  name,
  dims: [count],
  dataType: 1,
  rawData: new Uint8Array(Float32Array.from({ length: count }, (_, i) => i + 0.5).buffer),
});
const face = (name: string): proto.onnx.IValueInfoProto => ({
  name,
  type: { tensorType: { elemType: 1, shape: { dim: [{ dimParam: "n" }] } } },
});
const graphAttribute = (name: string, g: proto.onnx.IGraphProto): proto.onnx.IAttributeProto => ({ name, type: 5, g });

let count = 0;
async function open(graph: proto.onnx.IGraphProto, more: proto.onnx.IModelProto = {}) {
  const path = join(folder, `model-${count++}.onnx`);
  writeFileSync(
    path,
    onnx.ModelProto.encode({ irVersion: 8, opsetImport: [{ domain: "", version: 17 }], ...more, graph: { name: "g", ...graph } }).finish(),
  );
  const model = await readModel(path);
  return { model, view: viewGraph(model.graph) };
}
const nodesMaking = (view: GraphView, ...tensors: string[]): Set<Node> => new Set(tensors.map((t) => view.producer.get(t) as Node));
const value = (...dims: number[]): TensorValue => ({ dtype: "float32", dims, data: new Uint8Array(4 * dims.reduce((n, d) => n * d, 1)) });

/** x -> a -> b -> (c | d) -> y, with a weight on b and a constant that is computed. */
const chain: proto.onnx.IGraphProto = {
  node: [
    op("Relu", ["x"], ["a"]),
    op("Neg", ["w"], ["negated"]),
    op("Mul", ["a", "negated"], ["b"]),
    op("Exp", ["b"], ["c"]),
    op("Abs", ["b"], ["d"]),
    op("Shape", ["x"], ["sizes"]),
    op("Reshape", ["c", "sizes"], ["r"]),
    op("Add", ["r", "d"], ["y"]),
  ],
  initializer: [weights("w", 4), weights("unused", 4)],
  input: [face("x")],
  output: [face("y")],
};

describe("regionOf", () => {
  it("finds what passes the border; constants are taken along with the nodes that make them", async () => {
    const { view } = await open(chain);
    const region = regionOf(view, nodesMaking(view, "b"));
    expect(region.nodes.map((n) => n.opType)).toEqual(["Neg", "Mul"]);
    expect(region).toMatchObject({ inputs: ["a"], outputs: ["b"], fixedByShapes: [] });
    expect(region.initializers.map((i) => i.name)).toEqual(["w"]);
  });
  it("an output that is read inside and outside is an output", async () => {
    const { view } = await open(chain);
    expect(regionOf(view, nodesMaking(view, "b", "c")).outputs).toEqual(["b", "c"]);
  });
  it("sizes are told from values", async () => {
    const { view } = await open(chain);
    expect(regionOf(view, nodesMaking(view, "r"))).toMatchObject({ inputs: ["c", "sizes"], fixedByShapes: ["sizes"] });
  });
  it("random numbers are no constants", async () => {
    const { view } = await open({ ...chain, node: [op("RandomNormal", [], ["z"]), op("Add", ["x", "z"], ["y"])] });
    expect(regionOf(view, nodesMaking(view, "y")).inputs).toEqual(["x", "z"]);
  });
  it("what bodies take from outside comes in", async () => {
    const branch = (name: string) =>
      graphAttribute(name, { name, node: [op("Neg", ["captured"], [`${name}_out`])], output: [face(`${name}_out`)] });
    const { view } = await open({
      node: [op("Relu", ["x"], ["captured"]), op("If", ["flag"], ["y"], [branch("then_branch"), branch("else_branch")])],
      input: [face("x"), face("flag")],
      output: [face("y")],
    });
    expect(regionOf(view, nodesMaking(view, "y"))).toMatchObject({ inputs: ["flag", "captured"], outputs: ["y"] });
    // And a tensor that only a body reads is read.
    expect(regionOf(view, nodesMaking(view, "captured")).outputs).toEqual(["captured"]);
  });
});

describe("nodesBetween and withCauses", () => {
  const kinds = (nodes: Iterable<Node>) => [...nodes].map((n) => n.outputs[0]).sort();
  it("take the ways between and no others", async () => {
    const { view } = await open(chain);
    expect(kinds(nodesBetween(view, ["b"], ["y"]))).toEqual(["c", "d", "r", "y"]);
    expect(kinds(nodesBetween(view, ["c"], ["y"]))).toEqual(["r", "y"]);
    expect(kinds(nodesBetween(view, ["y"], ["b"]))).toEqual([]);
  });
  it("take the nearest nodes in front, and end where there are none", async () => {
    const { view } = await open(chain);
    const y = nodesMaking(view, "y");
    expect(kinds(withCauses(view, y, 1))).toEqual(["r", "y"]);
    expect(kinds(withCauses(view, nodesMaking(view, "b"), 9))).toEqual(["a", "b"]);
  });
});

describe("extractModel", () => {
  const values = new Map([
    ["a", value(4)],
    ["b", value(4)],
  ]);
  const options = { values, bake: new Set<string>(), outputs: values, externalName: "weights.bin" };

  it("keeps versions, metadata and nodes byte for byte, and gives inputs the sizes of the values", async () => {
    const { model, view } = await open(chain, { metadataProps: [{ key: "k", value: "v" }], producerName: "maker" });
    const path = join(folder, "cut.onnx");
    await writeRope(path, extractModel(model, regionOf(view, nodesMaking(view, "b")), options).rope);
    const cut = await readModel(path);
    expect(cut).toMatchObject({ irVersion: 8, producer: "maker", opsets: model.opsets });
    expect(cut.graph.nodes.map((n) => Buffer.from(n.bytes))).toEqual(
      [model.graph.nodes[1], model.graph.nodes[2]].map((n) => Buffer.from(n?.bytes ?? [])),
    );
    expect(cut.graph.inputs.map((i) => [i.name, i.dims])).toEqual([["a", [{ size: 4, symbol: undefined }]]]);
    expect(cut.graph.initializers.map((i) => i.name)).toEqual(["w"]);
    expect(cut.fields.map((f) => f.number)).toEqual(model.fields.map((f) => f.number));
  });

  it("large weights go to a file beside the model, and external ones come home", async () => {
    const graph = { ...chain, initializer: [weights("w", 1000)] };
    const { model, view } = await open(graph);
    const region = regionOf(view, nodesMaking(view, "b"));
    const home = mkdtempSync(join(folder, "external-"));
    const made = extractModel(model, region, { ...options, embedUpTo: 100 });
    await writeRope(join(home, "model.onnx"), made.rope);
    await writeRope(join(home, "weights.bin"), made.external ?? []);
    const outside = await readModel(join(home, "model.onnx"));
    checkExternalData(outside);
    expect(outside.graph.initializers[0]?.data).toMatchObject({ kind: "file", external: true });
    const again = extractModel(outside, regionOf(viewGraph(outside.graph), new Set(outside.graph.nodes)), options);
    expect(again.external).toBeUndefined();
    await writeRope(join(home, "whole.onnx"), again.rope);
    const whole = await readModel(join(home, "whole.onnx"));
    expect(whole.graph.initializers[0]?.data).toMatchObject({ kind: "file", external: false });
    const bytes = await Promise.all([model, outside, whole].map((m) => readInitializer(m.graph.initializers[0] as never)));
    expect(bytes[1]?.length).toBe(4000);
    for (const b of bytes) expect(Buffer.compare(b, bytes[0] as Uint8Array)).toBe(0);
  });

  it("before IR version 4, initializers are inputs too, behind the recorded ones", async () => {
    const { model, view } = await open(chain, { irVersion: 3 });
    const path = join(folder, "old.onnx");
    await writeRope(path, extractModel(model, regionOf(view, nodesMaking(view, "b")), options).rope);
    expect((await readModel(path)).graph.inputs.map((i) => i.name)).toEqual(["a", "w"]);
  });

  it("sizes that are baked in become initializers", async () => {
    const { model, view } = await open(chain);
    const sizes: TensorValue = { dtype: "int64", dims: [1], data: new Uint8Array(BigInt64Array.of(4n).buffer) };
    const path = join(folder, "baked.onnx");
    const all = new Map([...values, ["c", value(4)], ["r", value(4)], ["sizes", sizes]]);
    const made = extractModel(model, regionOf(view, nodesMaking(view, "r")), {
      ...options,
      values: all,
      outputs: all,
      bake: new Set(["sizes"]),
    });
    await writeRope(path, made.rope);
    const { graph } = await readModel(path);
    expect(graph.inputs.map((i) => i.name)).toEqual(["c"]);
    expect(graph.initializers.map((i) => [i.name, i.dtype, i.dims])).toEqual([["sizes", "int64", [1]]]);
  });

  it("external data inside a body cannot move, and is refused", async () => {
    const inside: proto.onnx.ITensorProto = {
      name: "far",
      dims: [4],
      dataType: 1,
      dataLocation: 1,
      externalData: [{ key: "location", value: "far.bin" }],
    };
    const branch = (name: string) =>
      graphAttribute(name, { name, node: [op("Neg", ["far"], [`${name}_out`])], initializer: [inside], output: [face(`${name}_out`)] });
    const { model, view } = await open({
      node: [op("If", ["flag"], ["y"], [branch("then_branch"), branch("else_branch")])],
      input: [face("flag")],
      output: [face("y")],
    });
    expect(() => extractModel(model, regionOf(view, nodesMaking(view, "y")), options)).toThrow(/external file/);
  });
});
