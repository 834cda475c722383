import { expect, it } from "vitest";
import { modelBytes, node, temporaryFolder, writeModel } from "../../../test/support/model-file.js";
import { viewGraph } from "./graph-view.js";
import { readModel } from "./read-model.js";

const folder = temporaryFolder();
const graphOf = async (nodes: ReturnType<typeof node>[]) =>
  (await readModel(writeModel(folder, modelBytes({ nodes, inputs: [{ name: "x", dims: [1] }], outputs: [{ name: "y", dims: [1] }] }))))
    .graph;

it("nodes in order stay in order", async () => {
  const graph = await graphOf([node("Relu", ["x"], ["a"]), node("Neg", ["x"], ["b"]), node("Add", ["a", "b"], ["y"])]);
  expect(viewGraph(graph).order).toBe(graph.nodes);
});

it("unsorted nodes are put behind what they read", async () => {
  const chain = Array.from({ length: 3000 }, (_, i) => node("Relu", [i === 0 ? "x" : `t${i - 1}`], [i === 2999 ? "y" : `t${i}`])).reverse();
  const view = viewGraph(await graphOf([...chain, node("Neg", ["x"], ["unused"])]));
  const place = new Map(view.order.map((n, i) => [n, i]));
  expect(new Set(view.order).size).toBe(3001);
  for (const n of view.order)
    for (const t of n.inputs) {
      const producer = view.producer.get(t);
      if (producer !== undefined) expect(place.get(producer)).toBeLessThan(place.get(n)!);
    }
});

it.each([
  ["two nodes", [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["y"])]],
  ["a node that reads itself", [node("Add", ["x", "y"], ["y"])]],
])("a cycle of %s is named", async (_, nodes) => {
  const graph = await graphOf(nodes);
  expect(() => viewGraph(graph)).toThrow(
    expect.objectContaining({ code: "ERR_MODEL_CYCLE", message: expect.stringMatching(/node of [aby]/) }),
  );
});

it("tells every reader of a tensor with its place, and omitted inputs are none", async () => {
  const view = viewGraph(await graphOf([node("Clip", ["x", "", "x"], ["a"]), node("Add", ["a", "x"], ["y"])]));
  expect(view.consumers.get("x")?.map((u) => [u.node.opType, u.input])).toEqual([
    ["Clip", 0],
    ["Clip", 2],
    ["Add", 1],
  ]);
  expect(view.consumers.has("")).toBe(false);
  expect([...view.graphInputs, ...view.graphOutputs]).toEqual(["x", "y"]);
});
