import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HalfscopeError, InputError } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { floats, int64s, modelBytes, node, seeded, temporaryFolder } from "../../../test/support/model-file.js";
import { ropeBytes } from "../../../test/support/rope-bytes.js";
import { block, fixed32, varintField } from "../../../test/support/wire.js";
import { checkExternalData, readInitializer } from "./external-data.js";
import { viewGraph } from "./graph-view.js";
import { listLayers } from "./layers/list-layers.js";
import { subgraphsOf } from "./node.js";
import { readModel } from "./read-model.js";
import { rewriteModel } from "./rewrite.js";

const folder = temporaryFolder();
const path = join(folder, "damaged.onnx");

const small = modelBytes({
  nodes: [
    node("MatMul", ["x", "w"], ["y"]),
    node("Constant", [], ["c"], { value: { tensor: floats("", [2], [1, 2]) } }),
    node("Add", ["y", "c"], ["z"], { a: 3, b: [1, -2], f: { float: 0.5 }, t: { text: "text" } }),
    node("Reshape", ["z", "s"], ["out"]),
  ],
  inputs: [{ name: "x", dims: ["batch", 2] }],
  outputs: [{ name: "out", dims: ["batch", 2] }],
  initializers: [floats("w", [2, 2], [1, 2, 3, 4]), int64s("s", [2], [-1, 2])],
  valueInfos: [{ name: "y", dims: ["batch", 2] }],
});

/** Looks at everything that a model has. Whatever is thrown must be an error of halfscope's. */
async function lookAtAll(file: string): Promise<"read" | string> {
  try {
    const model = await readModel(file);
    for (const n of model.graph.nodes) {
      for (const a of n.attributes.values()) if (a.tensor) await readInitializer(a.tensor).catch(mustBeOurs);
      subgraphsOf(n);
      expect(n.metadata.size).toBeGreaterThanOrEqual(0);
    }
    for (const i of model.graph.initializers) await readInitializer(i).catch(mustBeOurs);
    checkExternalData(model);
    viewGraph(model.graph);
    listLayers(model);
    expect(await ropeBytes(rewriteModel(model))).toHaveLength(model.sizeBytes);
    return "read";
  } catch (error) {
    return mustBeOurs(error);
  }
}
function mustBeOurs(error: unknown): string {
  if (error instanceof HalfscopeError) return error.code;
  throw error;
}

describe("a damaged model", () => {
  it("cut off at any byte gives a clear error or a sound shorter model", async () => {
    const seen = new Map<string, number>();
    for (let length = 0; length < small.length; length++) {
      writeFileSync(path, small.subarray(0, length));
      const outcome = await lookAtAll(path);
      seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
    }
    expect([...seen.keys()].filter((k) => k !== "read")).toEqual(["ERR_MODEL_PARSE"]);
    // Cuts inside the graph, which is nearly all of the file, must not go unnoticed.
    expect(seen.get("ERR_MODEL_PARSE")).toBeGreaterThan(0.9 * small.length);
  });

  it("with any byte changed gives an error of ours or a model, and never hangs", { timeout: 120_000 }, async () => {
    const random = seeded(5);
    for (let i = 0; i < 700; i++) {
      const bytes = Buffer.from(small);
      for (let k = 0; k <= i % 3; k++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
      writeFileSync(path, bytes);
      await lookAtAll(path);
    }
  });

  it.each([
    ["a varint that never ends", block(7, [block(1, [block(4, "Add"), block(2, "y")]), block(12, "x"), Buffer.from([8, 255, 255])])],
    [
      "integers that are cut off",
      block(7, [block(5, [block(1, Buffer.from([255])), varintField(2, 1), block(8, "w")]), block(1, block(2, "y"))]),
    ],
    ["a float of two bytes", block(7, [block(1, [block(5, [block(1, "a"), varintField(20, 1), block(2, "ab")]), block(2, "y")])])],
    ["a node that is no message", block(7, [varintField(1, 7), block(1, block(2, "y"))])],
    ["a tensor that is no message", block(7, [fixed32(5, 1), block(1, block(2, "y"))])],
    ["a graph that is a number", Buffer.concat([varintField(7, 3), block(7, block(1, block(2, "y")))])],
    ["two graphs", Buffer.concat([block(7, block(1, block(2, "y"))), block(7, block(1, block(2, "z")))])],
  ])("with %s gives a clear error or is read", async (_, bytes) => {
    writeFileSync(path, bytes);
    expect(await lookAtAll(path)).toMatch(/^(read|ERR_MODEL_PARSE)$/);
  });
});

describe("what is no model", () => {
  const cases: [string, string | Uint8Array, RegExp][] = [
    ["a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", /Git LFS pointer/],
    ["an empty file", "", /is empty/],
    ["text", "this is not a model at all\n", /not an ONNX model|ends too early/],
    ["an archive", Buffer.from("504b0304140000000800", "hex"), /not an ONNX model|ends too early/],
    ["a message without a graph", varintField(1, 8), /holds no graph/],
  ];
  it.each(cases)("%s is refused as such", async (_, bytes, message) => {
    writeFileSync(path, bytes);
    const error = await readModel(path).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(InputError);
    expect(error).toMatchObject({ code: "ERR_MODEL_PARSE", message: expect.stringMatching(message), hint: expect.stringMatching(/\w/) });
  });

  it("a folder, a missing file and a file below a file are named", async () => {
    for (const p of [folder, join(folder, "absent.onnx"), join(path, "below")])
      await expect(readModel(p)).rejects.toMatchObject({ code: "ERR_FILE_NOT_FOUND", message: expect.stringContaining(p) });
  });

  it("a model behind a link is read, and its folder is the real one", async () => {
    const real = join(folder, "real");
    mkdirSync(real);
    writeFileSync(join(real, "m.onnx"), small);
    symlinkSync(join(real, "m.onnx"), join(folder, "link.onnx"));
    expect((await readModel(join(folder, "link.onnx"))).folder).toBe(real);
  });
});

describe("a model with 3 GB of weights", () => {
  it("is opened without reading them", async () => {
    const bytes = 3 * 2 ** 30;
    const tensor = [varintField(1, bytes / 4), varintField(2, 1), block(8, "w")];
    const raw = Buffer.from([9 * 8 + 2, ...lengthOf(bytes)]);
    const tensorLength = Buffer.concat(tensor).length + raw.length + bytes;
    const nodes = block(1, [block(1, "x"), block(1, "w"), block(2, "y"), block(4, "Add")]);
    const inner = Buffer.concat([nodes, block(12, block(1, "y")), Buffer.from([5 * 8 + 2, ...lengthOf(tensorLength)]), ...tensor, raw]);
    writeFileSync(path, Buffer.concat([varintField(1, 8), Buffer.from([7 * 8 + 2, ...lengthOf(inner.length + bytes)]), inner]));
    truncateSync(path, varintField(1, 8).length + 1 + lengthOf(inner.length + bytes).length + inner.length + bytes);
    const before = process.memoryUsage();
    const start = performance.now();
    const model = await readModel(path);
    expect(performance.now() - start).toBeLessThan(500);
    const after = process.memoryUsage();
    expect(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(16 << 20);
    expect(model.graph.initializers[0]?.data).toMatchObject({ kind: "file", span: { length: bytes } });
    expect(rewriteModel(model).reduce((n, p) => n + p.length, 0)).toBe(model.sizeBytes);
    truncateSync(path, 0);
  });
});

function lengthOf(value: number): number[] {
  const out: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...out, rest];
    out.push((rest % 128) | 128);
  }
}
