/** Sparse initializers, which the ONNX test data lacks, through all steps of the conformance command: in the graph and in a branch. */
import { join } from "node:path";
import { listLayers, readModel, viewGraph } from "@halfscope/onnx";
import proto from "onnx-proto";
import { describe, expect, test } from "vitest";
import { checkModel } from "../../scripts/conformance/check-model.js";
import { temporaryFolder, valueInfo, writeModel } from "../support/model-file.js";

const { onnx } = proto;
type Sparse = proto.onnx.ISparseTensorProto;
const folder = temporaryFolder();
const bytesOf = (v: ArrayBufferView) => new Uint8Array(v.buffer, v.byteOffset, v.byteLength);
const sparse = (name: string, values: Readonly<Record<number, number>>): Sparse => ({
  values: { name, dims: [Object.keys(values).length], dataType: 1, rawData: bytesOf(Float32Array.from(Object.values(values))) },
  indices: { dims: [Object.keys(values).length], dataType: 7, rawData: bytesOf(BigInt64Array.from(Object.keys(values), BigInt)) },
  dims: [3, 4],
});
const face = { x: valueInfo({ name: "x", dims: [2, 3] }), y: valueInfo({ name: "y", dims: [2, 4] }) };
const graphs: Record<string, proto.onnx.IGraphProto> = {
  "in the graph": {
    node: [
      { opType: "MatMul", input: ["x", "w"], output: ["m"] },
      { opType: "Tanh", input: ["m"], output: ["y"] },
    ],
    // 0.1 is rounded by FP16, 70000 overflows.
    sparseInitializer: [sparse("w", { 1: 0.1, 5: 3.3333, 11: 70_000 })],
  },
  "in a branch": {
    node: [
      { opType: "ReduceSum", input: ["x"], output: ["s"], attribute: [{ name: "keepdims", type: 2, i: 0 }] },
      { opType: "Greater", input: ["s", "least"], output: ["c"] },
      {
        opType: "If",
        input: ["c"],
        output: ["y"],
        attribute: ["then", "else"].map((branch) => ({
          name: `${branch}_branch`,
          type: 5,
          g: {
            name: branch,
            node: [
              { opType: "MatMul", input: ["x", `${branch} w`], output: [`${branch} m`] },
              { opType: "Tanh", input: [`${branch} m`], output: [`${branch} y`] },
            ],
            sparseInitializer: [sparse(`${branch} w`, { 1: 0.1, 5: 3.3333 })],
            output: [valueInfo({ name: `${branch} y`, dims: [2, 4] })],
          },
        })),
      },
    ],
    initializer: [{ name: "least", dims: [], dataType: 1, rawData: bytesOf(Float32Array.of(-1000)) }],
  },
};

describe("a sparse initializer", () => {
  test.each(Object.entries(graphs))("%s is measured, rounded behind itself and written back verbatim", async (id, graph) => {
    const bytes = onnx.ModelProto.encode({
      irVersion: 8,
      opsetImport: [{ domain: "", version: 17 }],
      graph: { name: "g", ...graph, input: [face.x], output: [face.y] },
    }).finish();
    const path = writeModel(folder, bytes);
    const { record, files } = await checkModel({ id, collection: "own", path }, { folder });
    expect(record.steps.filter((s) => s.status !== "ok")).toEqual([]);
    expect(record.steps.map((s) => s.step)).toEqual(["read", "list", "load", "reference", "isolated", "accumulated", "half", "mixed"]);
    const original = viewGraph((await readModel(path)).graph);
    const written = viewGraph((await readModel(files[0] ?? join(folder, "none"))).graph);
    expect([...written.sparse.keys()]).toEqual([...original.sparse.keys()]);
    for (const [name, { field }] of original.sparse) expect(written.sparse.get(name)?.field).toEqual(field);
    // What reads it in FP16 reads it through a Cast.
    const castOf = [...written.sparse.keys()].map((name) => (written.consumers.get(name) ?? []).map((u) => u.node.opType));
    expect(castOf).toEqual([...written.sparse.keys()].map(() => ["Cast"]));
    expect(listLayers(await readModel(path)).length).toBeGreaterThan(0);
  });
});
