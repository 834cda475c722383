/** What cannot be read or run is refused with a sentence, and nothing hangs on it. */
import { statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HalfscopeError } from "@halfscope/core";
import { listLayers, readModel, unfoldModel, viewGraph } from "@halfscope/onnx";
import { describe, expect, it } from "vitest";
import { temporaryFolder, writeModel } from "../support/model-file.js";
import { block, varintBytes, varintField } from "../support/wire.js";
import { bool, elementType, float, floats, fn, graph, int64, int64s, model, node, raw, tensor } from "./build.js";
import { recursive } from "./models/functions.js";
import { feedOf, open } from "./run.js";
import { boolValue, floatValue, noise } from "./torture.js";

const folder = temporaryFolder();
const face = [2, 3];
const x = floatValue(face, noise(6, 120));
const parts = { inputs: [float("x", face), bool("flag")], outputs: [float("out", face)] };
const same = (from: string) => graph({ nodes: [node("Identity", [from], ["v"])], outputs: [float("v")] });

describe("a cycle is refused", () => {
  const cycles: Readonly<Record<string, Uint8Array>> = {
    "of two nodes": model({ ...parts, nodes: [node("Add", ["x", "out"], ["h"]), node("Tanh", ["h"], ["out"])] }),
    "of one node": model({ ...parts, nodes: [node("Add", ["x", "out"], ["out"])] }),
    "through what a branch captures": model({
      ...parts,
      nodes: [
        node("Add", ["x", "y"], ["h"]),
        node("If", ["flag"], ["y"], { then_branch: same("h"), else_branch: same("x") }),
        node("Tanh", ["h"], ["out"]),
      ],
    }),
    "through what a branch of a branch captures": model({
      ...parts,
      nodes: [
        node("If", ["flag"], ["y"], {
          then_branch: graph({
            nodes: [node("If", ["flag"], ["z"], { then_branch: same("out"), else_branch: same("x") })],
            outputs: [float("z")],
          }),
          else_branch: same("x"),
        }),
        node("Tanh", ["y"], ["out"]),
      ],
    }),
    "of a holder that captures its own result": model({
      ...parts,
      nodes: [node("If", ["flag"], ["y"], { then_branch: same("y"), else_branch: same("x") }), node("Tanh", ["y"], ["out"])],
    }),
    "inside a branch": model({
      ...parts,
      nodes: [
        node("If", ["flag"], ["y"], {
          then_branch: graph({ nodes: [node("Add", ["x", "b"], ["a"]), node("Tanh", ["a"], ["b"])], outputs: [float("b")] }),
          else_branch: same("x"),
        }),
        node("Tanh", ["y"], ["out"]),
      ],
    }),
    "inside a loop's body": model({
      ...parts,
      nodes: [
        node("Loop", ["count", "", "x"], ["out"], {
          body: graph({
            inputs: [int64("i"), bool("go"), float("a")],
            nodes: [node("Identity", ["go"], ["going"]), node("Add", ["a", "q"], ["p"]), node("Tanh", ["p"], ["q"])],
            outputs: [bool("going"), float("q")],
          }),
        }),
      ],
      initializers: [int64s("count", [], [2])],
    }),
    "inside a function": model({
      ...parts,
      nodes: [node("F", ["x"], ["out"], {}, { domain: "local" })],
      opsets: { "": 17, local: 1 },
      functions: [
        fn({
          domain: "local",
          name: "F",
          inputs: ["X"],
          outputs: ["Y"],
          nodes: [node("Add", ["X", "Y"], ["T"]), node("Tanh", ["T"], ["Y"])],
          opsets: { "": 17 },
        }),
      ],
    }),
  };
  it.each(Object.entries(cycles))("%s", async (_, bytes) => {
    const read = await readModel(writeModel(folder, bytes));
    let refusal: unknown;
    try {
      const unfolded = unfoldModel(read);
      listLayers(unfolded, viewGraph(unfolded.graph));
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(HalfscopeError);
    expect(refusal).toMatchObject({ code: "ERR_MODEL_CYCLE", exitCode: 3, message: expect.stringMatching(/cycle through node /) });
  });

  it("but not a loop's state, which is no cycle, nor nodes in the wrong order", async () => {
    const bytes = model({
      ...parts,
      nodes: [
        node("Tanh", ["y"], ["out"]),
        node("If", ["flag"], ["y"], {
          then_branch: graph({ nodes: [node("Tanh", ["a"], ["b"]), node("Add", ["x", "h"], ["a"])], outputs: [float("b")] }),
          else_branch: same("x"),
        }),
        node("Sigmoid", ["x"], ["h"]),
      ],
    });
    const unfolded = unfoldModel(await readModel(writeModel(folder, bytes)));
    const order = viewGraph(unfolded.graph).order.map((n) => n.outputs[0]);
    expect(order.indexOf("h")).toBeLessThan(order.indexOf("a"));
    expect(order.indexOf("a")).toBeLessThan(order.indexOf("b"));
    expect(order.indexOf("b")).toBeLessThan(order.indexOf("y"));
    expect(order.indexOf("y")).toBeLessThan(order.indexOf("out"));
  });
});

it("functions that call each other are read and listed, and refused when they are to run", async () => {
  const path = writeModel(folder, recursive);
  expect(listLayers(unfoldModel(await readModel(path)))).not.toHaveLength(0);
  await expect(open(path, feedOf({ x }))).rejects.toBeInstanceOf(HalfscopeError);
});

it("functions that call functions ten deep, two calls each, unfold into all that they stand for", async () => {
  const doubling = (n: number) =>
    fn({
      domain: "local",
      name: `F${n}`,
      inputs: ["X"],
      outputs: ["Y"],
      nodes:
        n === 0
          ? [node("Tanh", ["X"], ["Y"])]
          : [node(`F${n - 1}`, ["X"], ["T"], {}, { domain: "local" }), node(`F${n - 1}`, ["T"], ["Y"], {}, { domain: "local" })],
      opsets: { "": 17, local: 1 },
    });
  const bytes = model({
    inputs: [float("x", face)],
    outputs: [float("out", face)],
    nodes: [node("F10", ["x"], ["out"], {}, { domain: "local" })],
    functions: Array.from({ length: 11 }, (_, n) => doubling(n)),
    opsets: { "": 17, local: 1 },
  });
  const view = viewGraph(unfoldModel(await readModel(writeModel(folder, bytes))).graph);
  expect(view.nodes.map((n) => n.opType)).toEqual(Array.from({ length: 1024 }, () => "Tanh"));
  expect(new Set(view.nodes.map((n) => n.name)).size).toBe(1024);
});

it("branches within branches, thirty deep, are read, listed and run", async () => {
  // Three messages each: protobuf readers stop at a depth of 100.
  const depth = 30;
  let inner = graph({ nodes: [node("Tanh", ["x"], ["t0"])], outputs: [float("t0")] });
  for (let i = 1; i <= depth; i++)
    inner = graph({
      nodes: [
        node("If", ["flag"], [`y${i}`], {
          then_branch: inner,
          else_branch: graph({ nodes: [node("Sin", ["x"], [`e${i}`])], outputs: [float(`e${i}`)] }),
        }),
      ],
      outputs: [float(`y${i}`)],
    });
  const bytes = model({
    ...parts,
    nodes: [node("If", ["flag"], ["y"], { then_branch: inner, else_branch: same("x") }), node("Cos", ["y"], ["out"])],
  });
  const own = await open(writeModel(folder, bytes), feedOf({ x, flag: boolValue(true) }));
  expect(own.subject.view.nodes).toHaveLength(2 * depth + 4);
  expect(own.subject.roundings.sites.map((s) => s.tensor)).toContain("t0");
});

describe("more than 2 GB of structure", () => {
  const size = 2 ** 31 + 100;
  const head = (number: number, length: number) => Buffer.from([...varintBytes(number * 8 + 2), ...varintBytes(length)]);
  /** The bytes, and behind them as many zeros as the last field announces: a hole in the file. */
  function hollow(bytes: Uint8Array): string {
    const path = writeModel(folder, bytes);
    truncateSync(path, statSync(path).size + size);
    return path;
  }
  const wrapped = (number: number, inside: Uint8Array) => Buffer.concat([head(number, inside.length + size), inside]);

  it.each([
    ["in a field that nobody knows", wrapped(900, Buffer.alloc(0))],
    ["in a field of the graph that nobody knows", wrapped(7, wrapped(900, Buffer.alloc(0)))],
    ["in a function", wrapped(25, wrapped(7, wrapped(5, Buffer.alloc(0))))],
    ["in a node's tensor", wrapped(7, wrapped(1, wrapped(5, wrapped(5, wrapped(9, Buffer.alloc(0))))))],
    ["in a text", wrapped(6, Buffer.alloc(0))],
  ])("is refused %s", async (_, end) => {
    const whole = model({ ...parts, nodes: [node("Identity", ["x"], ["out"])] });
    const bytes = end[0] === 7 * 8 + 2 ? end : Buffer.concat([whole, end]);
    const path = hollow(Buffer.concat([varintField(1, 8), bytes]));
    await expect(readModel(path)).rejects.toMatchObject({
      code: "ERR_MODEL_UNSUPPORTED",
      message: expect.stringMatching(/2 GB/),
      hint: expect.stringMatching(/\w/),
    });
    truncateSync(path, 0);
  });

  it("but a weight of that size in the model file itself is only located", async () => {
    const dims = [size / 4, 1];
    const path = hollow(
      Buffer.concat([
        varintField(1, 8),
        block(8, [varintField(2, 17)]),
        wrapped(
          7,
          Buffer.concat([
            block(1, node("Gather", ["w", "at"], ["out"])),
            block(11, int64("at", [1])),
            block(12, float("out", [1, 1])),
            wrapped(5, Buffer.concat([...dims.map((d) => varintField(1, d)), varintField(2, 1), block(8, "w"), head(9, size)])),
          ]),
        ),
      ]),
    );
    const read = await readModel(path);
    expect(read.graph.initializers).toMatchObject([{ name: "w", dims, data: { kind: "file", span: { length: size } } }]);
    truncateSync(path, 0);
  });
});

it("a file that announces more than it has is refused, at whatever depth", async () => {
  const whole = model({
    ...parts,
    nodes: [node("If", ["flag"], ["out"], { then_branch: same("x"), else_branch: same("x") })],
    initializers: [floats("w", [3], [1, 2, 3]), tensor("i", elementType.int64, [1], raw(BigInt64Array.of(1n)))],
  });
  let refused = 0;
  for (let length = 1; length < whole.length; length++) {
    const path = join(folder, "cut.onnx");
    writeFileSync(path, whole.subarray(0, length));
    const error = await readModel(path).then(
      (m) => {
        viewGraph(unfoldModel(m).graph);
      },
      (e: unknown) => e,
    );
    if (error === undefined) continue;
    refused++;
    expect(error, `cut to ${length}`).toBeInstanceOf(HalfscopeError);
    expect(error).toMatchObject({ code: "ERR_MODEL_PARSE" });
  }
  expect(refused).toBeGreaterThan(whole.length / 2);
});
