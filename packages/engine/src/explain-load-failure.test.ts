import { readModel, viewGraph } from "@halfscope/onnx";
import { describe, expect, it } from "vitest";
import { type Face, floats, int64s, type NodeProto, node, temporaryFolder, writeModel } from "../../../test/support/model-file.js";
import { explainLoadFailure } from "./explain-load-failure.js";
import { forwardTypes } from "./forward-types.js";
import { inferTypes } from "./infer-types.js";

const folder = temporaryFolder();
const half = { dataType: 10, rawData: Uint8Array.of(0, 0x3c), dims: [1] };
const open = async (nodes: readonly NodeProto[], valueInfos: readonly Face[] = []) => {
  const path = writeModel(folder, {
    nodes,
    inputs: [
      { name: "ids", elementType: 7, dims: [4] },
      { name: "x", elementType: 10, dims: [4] },
    ],
    outputs: [{ name: "y", elementType: 10, dims: [4] }],
    initializers: [{ ...half, name: "one" }, floats("full", [1], [1]), int64s("shape", [1], [4])],
    valueInfos,
  });
  const model = await readModel(path);
  return { model, view: viewGraph(model.graph) };
};
/** As onnxconverter-common leaves it: the Cast from integers still makes FLOAT. */
const left = [
  node("Cast", ["ids"], ["mask"], { to: 1 }),
  node("Reshape", ["mask", "shape"], ["flat"]),
  node("Sub", ["one", "flat"], ["turned"]),
  node("Mul", ["turned", "x"], ["y"]),
];

describe("a file that ONNX Runtime refuses for its types", () => {
  it("is explained: the node, its inputs with their types, the Cast behind movers, and the fix", async () => {
    const { model, view } = await open(left, [{ name: "mask", elementType: 10, dims: [4] }]);
    const error = (await inferTypes(model, view).catch((e: unknown) => e)) as Error & { hint: string; code: string; context: object };
    expect(error.code).toBe("ERR_ENGINE_BUILD");
    expect(error.message).toContain(
      'Node "node of turned" (Sub) gets two types where it takes one: "one" is float16 (a weight), "flat" is float32 (from Reshape "node of flat").' +
        ' The Cast "node of mask" still makes FLOAT, though the file itself declares its result as float16.',
    );
    expect(error.message).toContain("Type Error"); // ONNX Runtime's own words stay
    expect(error.hint).toContain('Set "to" of the Cast "node of mask" to FLOAT16 (10)');
    expect(error.hint).toContain('node_block_list=["node of mask"]');
    expect(error.context).toMatchObject({ node: "node of turned", casts: ["node of mask"] });
  });

  it("loads when the fix that is named is made", async () => {
    const { model, view } = await open([node("Cast", ["ids"], ["mask"], { to: 10 }), ...left.slice(1)]);
    expect((await inferTypes(model, view)).get("y")?.dtype).toBe("float16");
  });

  it("names every Cast with the same fault, not what follows from the first", async () => {
    const second = [
      node("Cast", ["ids"], ["again"], { to: 1 }),
      node("Add", ["turned", "again"], ["sum"]),
      node("Mul", ["sum", "x"], ["y"]),
    ];
    const { model, view } = await open([...left.slice(0, 3), ...second]);
    await expect(inferTypes(model, view)).rejects.toMatchObject({ context: { casts: ["node of mask", "node of again"] } });
  });

  it("without a Cast: a weight that stayed in FP32", async () => {
    const { model, view } = await open([node("Mul", ["x", "full"], ["y"])]);
    await expect(inferTypes(model, view)).rejects.toMatchObject({
      context: {
        casts: [],
        inputs: [
          { tensor: "x", dtype: "float16", from: "an input" },
          { tensor: "full", dtype: "float32", from: "a weight" },
        ],
      },
    });
  });

  it("is left to ONNX Runtime's words when no float types meet, or types are not what is wrong", async () => {
    const { view } = await open(left);
    expect(explainLoadFailure(view, "All inputs to Concat must have same rank")).toBeUndefined();
    const ints = await open([node("Add", ["ids", "x"], ["y"])]);
    await expect(inferTypes(ints.model, ints.view)).rejects.toMatchObject({ code: "ERR_ENGINE_BUILD" });
  });
});

it("types found by simple rules are those that ONNX Runtime infers", async () => {
  const { model, view } = await open([
    node("Shape", ["x"], ["s"]),
    node("Cast", ["ids"], ["f"], { to: 1 }),
    node("TopK", ["x", "s"], ["v", "i"]),
    node("Greater", ["f", "full"], ["g"]),
    node("Where", ["g", "x", "one"], ["w"]),
    node("ConstantOfShape", ["s"], ["zeros"]),
    node("Constant", [], ["c"], { value: { tensor: { ...half, name: "c" } } }),
    node("Sigmoid", ["w"], ["y"]),
  ]);
  const types = await inferTypes(model, view);
  const { types: found, conflicts } = forwardTypes(view);
  expect(conflicts).toEqual([]);
  for (const [tensor, dtype] of found) expect([tensor, dtype]).toEqual([tensor, types.get(tensor)?.dtype]);
});
