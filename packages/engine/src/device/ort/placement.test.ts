import { describe, expect, test } from "vitest";
import { absentEntry, copiesEntry, placementOf } from "./placement.js";

const kernel = (name: string, operator: string, provider: string, index = "0") => ({
  cat: "Node",
  name: `${name}_kernel_time`,
  ph: "X",
  ts: 1,
  dur: 2,
  args: { op_name: operator, provider, node_index: index },
});
const nodes = [
  { index: 0, name: "product", opType: "MatMul" },
  { index: 1, name: "", opType: "Relu" },
  { index: 2, name: "shape", opType: "Shape" },
  { index: 3, name: "constant", opType: "Add" },
];

describe("placementOf", () => {
  test("counts nodes by provider, copies apart, nodes of a loop once, and nodes that ran nowhere", () => {
    const events = [
      { cat: "Session", name: "model_run", args: {} },
      kernel("Memcpy_token_1", "MemcpyFromHost", "CUDAExecutionProvider", "9"),
      kernel("product", "MatMul", "CUDAExecutionProvider", "0"),
      { ...kernel("product", "MatMul", "CUDAExecutionProvider"), name: "product_fence_before" },
      kernel("Relu_1", "Relu", "CUDAExecutionProvider", "1"),
      kernel("Relu_1", "Relu", "CUDAExecutionProvider", "1"),
      kernel("shape", "Shape", "CPUExecutionProvider", "2"),
      kernel("shape", "Shape", "CPUExecutionProvider", "7"),
    ];
    expect(placementOf(JSON.stringify(events), nodes)).toEqual([
      { provider: copiesEntry, nodes: 1, operators: { MemcpyFromHost: 1 } },
      { provider: "CUDAExecutionProvider", nodes: 2, operators: { MatMul: 1, Relu: 1 } },
      { provider: "CPUExecutionProvider", nodes: 2, operators: { Shape: 2 } },
      { provider: absentEntry, nodes: 1, operators: { Add: 1 } },
    ]);
  });

  test("calls what the TensorRT provider made of a graph an engine, whatever the graph's name", () => {
    const name = "TensorrtExecutionProvider_TRTKernel_graph_main_graph_8373_0";
    expect(placementOf(JSON.stringify([kernel(name, "TRTKernel_graph_main_graph_8373_0", "TensorrtExecutionProvider")]), [])).toEqual([
      { provider: "TensorrtExecutionProvider", nodes: 1, operators: { "TensorRT engine": 1 } },
    ]);
  });

  test("takes nothing from events of another form", () => {
    const odd = [
      null,
      3,
      "x",
      {},
      { cat: "Node", name: 4 },
      { cat: "Node", name: "a_kernel_time" },
      { cat: "Node", name: "a_kernel_time", args: { op_name: 1 } },
    ];
    expect(placementOf(JSON.stringify(odd), [])).toEqual([]);
    expect(placementOf(JSON.stringify([kernel("__proto__", "constructor", "CPUExecutionProvider")]), [])).toEqual([
      { provider: "CPUExecutionProvider", nodes: 1, operators: { constructor: 1 } },
    ]);
  });

  test.each(["", "[", "{}", "null", '{"traceEvents": 3}'])("says of %j that it is no profile", (text) => {
    expect(() => placementOf(text, nodes)).toThrow(/profile is no/);
  });
});
