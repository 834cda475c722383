/** Hand-made models are read, listed and written back byte for byte. */
import { listLayers, readModel, rewriteModel, unfoldModel, viewGraph } from "@halfscope/onnx";
import proto from "onnx-proto";
import { describe, expect, it } from "vitest";
import { temporaryFolder, writeModel } from "../support/model-file.js";
import { ropeBytes } from "../support/rope-bytes.js";
import { tortures } from "./models/index.js";

const folder = temporaryFolder();

/** Nodes at all levels as another reader sees them; a SequenceMap's body stays closed. */
function nodesIn(graph: proto.onnx.IGraphProto): number {
  const inside = (node: proto.onnx.INodeProto): number =>
    node.opType === "SequenceMap" ? 0 : (node.attribute ?? []).reduce((n, a) => n + (a.g ? nodesIn(a.g) : 0), 0);
  return (graph.node ?? []).reduce((n, node) => n + 1 + inside(node), 0);
}

describe.each(
  tortures.flatMap(([what, t]) => [[what, t.bytes] as const, ...(t.twin ? [[`the twin of ${what}`, t.twin.bytes] as const] : [])]),
)("%s", (_, bytes) => {
  it("is written unchanged byte for byte, with each element in its own bytes too", async () => {
    const model = await readModel(writeModel(folder, bytes));
    expect(await ropeBytes(rewriteModel(model))).toEqual(Buffer.from(bytes));
    const asRead = await ropeBytes(
      rewriteModel(model, {
        node: (n) => [n.bytes],
        initializer: (i) => [[i.field.payload]],
        input: (v) => [v.field.payload as Uint8Array],
        output: (v) => [v.field.payload as Uint8Array],
        valueInfo: (v) => [v.field.payload as Uint8Array],
      }),
    );
    expect(asRead).toEqual(Buffer.from(bytes));
  });

  it("has every node, at whatever depth, in exactly one layer", async () => {
    const read = await readModel(writeModel(folder, bytes));
    for (const model of [read, unfoldModel(read)]) {
      const view = viewGraph(model.graph);
      expect(view.order.map((n) => n.index).toSorted((a, b) => a - b)).toEqual(view.nodes.map((n) => n.index));
      const layers = listLayers(model, view);
      expect(layers.flatMap((l) => l.nodes).toSorted((a, b) => a - b)).toEqual(view.nodes.map((n) => n.index));
      expect(new Set(layers.map((l) => l.id)).size).toBe(layers.length);
    }
    const written = proto.onnx.ModelProto.decode(await ropeBytes(rewriteModel(unfoldModel(read))));
    expect(viewGraph(unfoldModel(read).graph).nodes).toHaveLength(nodesIn(written.graph!));
  });

  it("unfolds into a model in which every name is defined once", async () => {
    const model = unfoldModel(await readModel(writeModel(folder, bytes)));
    const view = viewGraph(model.graph);
    const defined = view.nodes.flatMap((n) => n.outputs.filter((o) => o !== ""));
    expect(defined).toHaveLength(new Set(defined).size);
    const calls = view.nodes.filter((n) => ["local", "other"].includes(n.domain));
    expect(calls.map((n) => n.opType)).toEqual(model.functions.length > 0 ? ["Total"] : []);
  });
});
