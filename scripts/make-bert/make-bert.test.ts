import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import proto from "onnx-proto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BertOptions, parseFault } from "./config.js";
import { makeBert } from "./make-bert.js";
import { writeFiles } from "./writer.js";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "make-bert-"));
  path = join(folder, "model.onnx");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const small = (more: Partial<BertOptions> = {}): BertOptions => ({
  path,
  layers: 2,
  hidden: 32,
  heads: 4,
  vocab: 101,
  maxPosition: 24,
  ...more,
});
const load = (file = path) => proto.onnx.ModelProto.decode(readFileSync(file)).graph!;
const digest = (file = path) => createHash("sha256").update(readFileSync(file)).digest("hex");
const floats = (raw: Uint8Array) => new Float32Array(Uint8Array.from(raw).buffer);
const planted = () =>
  JSON.parse(readFileSync(join(folder, "planted.json"), "utf8")) as { faults: { kind: string; layer: number | null; tensors: string[] }[] };

describe("a made BERT", () => {
  it("has 50 nodes a layer and 23 around them, and every input of a node exists before it", async () => {
    const made = await makeBert(small());
    const graph = load();
    expect(graph.node).toHaveLength(2 * 50 + 23);
    expect(made).toEqual({ path, bytes: statSync(path).size, nodes: 123 });
    const known = new Set([...graph.input!.map((i) => i.name!), ...graph.initializer!.map((t) => t.name!)]);
    for (const node of graph.node!) {
      for (const input of node.input!) expect(known, `${node.name} reads ${input}`).toContain(input);
      for (const output of node.output!) known.add(output);
    }
    expect(known).toContain("last_hidden_state");
  });

  it("has dynamic int64 inputs, node names of the exporter, and no name twice", async () => {
    await makeBert(small());
    const graph = load();
    expect(graph.input!.map((i) => i.name)).toEqual(["input_ids", "attention_mask", "token_type_ids"]);
    for (const { type } of graph.input!) {
      expect(type!.tensorType!.elemType).toBe(7);
      expect(type!.tensorType!.shape!.dim!.map((d) => d.dimParam)).toEqual(["batch", "sequence"]);
    }
    const names = graph.node!.map((n) => n.name!);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(
      expect.arrayContaining(["/encoder/layer.1/attention/self/query/MatMul", "/encoder/layer.0/output/LayerNorm/Pow"]),
    );
  });

  it("has LayerNormalization nodes and opset 17 in the other style", async () => {
    await makeBert(small({ style: "layernorm" }));
    const model = proto.onnx.ModelProto.decode(readFileSync(path));
    expect(model.graph!.node!.filter((n) => n.opType === "LayerNormalization")).toHaveLength(5);
    expect(Number(model.opsetImport![0]!.version)).toBe(17);
    expect(model.graph!.node).toHaveLength(123 - 5 * 8);
  });

  it("ends in two logits with the question-answering head", async () => {
    await makeBert(small({ head: "qa" }));
    expect(load().output!.map((o) => o.name)).toEqual(["start_logits", "end_logits"]);
  });

  it("has the same bytes for the same options and other weights for another seed", async () => {
    await makeBert(small());
    const first = digest();
    await makeBert(small());
    expect(digest()).toBe(first);
    await makeBert(small({ seed: 2 }));
    expect(digest()).not.toBe(first);
  });

  it("has weights with the spread of trained ones: matrices near zero, gains near 0.85, word vectors near 0.04", async () => {
    await makeBert(small({ vocab: 2000 }));
    const tensors = new Map(load().initializer!.map((t) => [t.name!, floats(t.rawData!)]));
    const std = (v: Float32Array) => Math.sqrt(v.reduce((s, x) => s + x * x, 0) / v.length);
    expect(std(tensors.get("embeddings.word_embeddings.weight")!)).toBeCloseTo(0.04, 3);
    const gains = tensors.get("encoder.layer.0.output.LayerNorm.weight")!.toSorted();
    expect(gains[16]).toBeGreaterThan(0.75);
    expect(gains[16]).toBeLessThan(0.95);
    for (const values of tensors.values()) expect(values.every(Number.isFinite)).toBe(true);
  });

  it("keeps the same weights in a file of their own, aligned, when asked", async () => {
    await makeBert(small());
    const inside = new Map(load().initializer!.map((t) => [t.name!, Buffer.from(t.rawData!)]));
    const made = await makeBert(small({ external: true }));
    const data = readFileSync(`${path}.data`);
    expect(made.bytes).toBe(statSync(path).size + data.length);
    let outside = 0;
    for (const tensor of load().initializer!) {
      const entry = new Map(tensor.externalData!.map((e) => [e.key, e.value!]));
      if (entry.size === 0) expect(Buffer.from(tensor.rawData!)).toEqual(inside.get(tensor.name!));
      else {
        outside++;
        const offset = Number(entry.get("offset"));
        expect(entry.get("location")).toBe("model.onnx.data");
        expect(offset % 4096).toBe(0);
        expect(data.subarray(offset, offset + Number(entry.get("length")))).toEqual(inside.get(tensor.name!));
      }
    }
    expect(outside).toBeGreaterThan(10);
  });
});

describe("planted faults", () => {
  it("are recorded beside the model with tensors that the graph has", async () => {
    await makeBert(
      small({ faults: (["mask-constant", "square-overflow", "ffn-overflow", "noisy-layer"] as const).map((kind) => ({ kind })) }),
    );
    const { faults } = planted();
    expect(faults.map((f) => [f.kind, f.layer])).toEqual([
      ["mask-constant", null],
      ["square-overflow", 0],
      ["ffn-overflow", 1],
      ["noisy-layer", 1],
    ]);
    const outputs = load().node!.flatMap((n) => n.output!);
    for (const fault of faults) for (const tensor of fault.tensors) expect(outputs).toContain(tensor);
  });

  it("change only the weights they act on", async () => {
    await makeBert(small());
    const healthy = new Map(load().initializer!.map((t) => [t.name!, Buffer.from(t.rawData!)]));
    await makeBert(small({ faults: [parseFault("square-overflow:300:1")] }));
    const changed = load().initializer!.filter((t) => !Buffer.from(t.rawData!).equals(healthy.get(t.name!)!));
    expect(changed.map((t) => t.name)).toEqual([
      "encoder.layer.1.attention.output.dense.bias",
      "encoder.layer.1.attention.output.LayerNorm.weight",
    ]);
    expect(floats(changed[0]!.rawData!)).toContain(300);
  });

  it("leave no planted.json beside a healthy model, not even that of the model it replaces", async () => {
    await makeBert(small({ faults: [{ kind: "noisy-layer" }] }));
    expect(existsSync(join(folder, "planted.json"))).toBe(true);
    await makeBert(small());
    expect(existsSync(join(folder, "planted.json"))).toBe(false);
  });

  it("are refused when their kind, strength or layer makes no sense", async () => {
    expect(() => parseFault("gamma-ray")).toThrow(/KIND\[:STRENGTH\[:LAYER\]\]/);
    expect(() => parseFault("noisy-layer:much")).toThrow(/found "noisy-layer:much"/);
    await expect(makeBert(small({ faults: [parseFault("noisy-layer::2")] }))).rejects.toThrow(/from 0 to 1, found 2/);
    await expect(makeBert(small({ faults: [parseFault("noisy-layer:-1")] }))).rejects.toThrow(/positive/);
  });
});

describe("failing", () => {
  it("leaves nothing behind when a weight cannot be made", async () => {
    const data = () => () => {
      throw new Error("no such weight");
    };
    const tensor = { key: "w", name: "w", elementType: 1, dims: [4, 4], data } as const;
    const good = { path: join(folder, "a.data"), pieces: [Buffer.from("whole")] };
    await expect(writeFiles([good, { path, pieces: [Buffer.from("head"), tensor] }])).rejects.toThrow("no such weight");
    expect(readdirSync(folder)).toEqual([]);
  });

  it("says that a folder cannot be written", async () => {
    writeFileSync(join(folder, "file"), "");
    await expect(makeBert(small({ path: join(folder, "file", "model.onnx") }))).rejects.toMatchObject({ code: "ERR_OUTPUT_NOT_WRITABLE" });
  });

  it("refuses an embedded model that no ONNX file can hold, before writing anything", async () => {
    await expect(makeBert(small({ vocab: 20_000_000 }))).rejects.toThrow(/at most 2147483647/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("refuses sizes that do not fit together", async () => {
    await expect(makeBert(small({ heads: 5 }))).rejects.toMatchObject({ code: "ERR_OPTION" });
    await expect(makeBert(small({ layers: 0 }))).rejects.toThrow(/layers must be a positive whole number, found 0/);
  });
});
