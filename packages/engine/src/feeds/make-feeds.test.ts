import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { HalfscopeError, UsageError } from "@halfscope/core";
import { type GraphView, type Model, readModel, viewGraph } from "@halfscope/onnx";
import onnxProto from "onnx-proto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sharedModel, sharedModelNames } from "../../../../test/shared-models.js";
import { checkFeed } from "./check-feeds.js";
import { elementsOf } from "./elements.js";
import { type Feed, feedSignature, tensorsOf } from "./feed.js";
import { loadFeeds } from "./load-feeds.js";
import { makeFeeds } from "./make-feeds.js";
import { traceIds } from "./trace-ids.js";

type Dims = readonly (number | string | undefined)[];
interface Sketch {
  inputs: Record<string, readonly [elementType: number, dims: Dims | undefined]>;
  tables?: Record<string, readonly number[]>;
  nodes?: readonly (readonly [opType: string, inputs: readonly string[], output: string, axis?: number])[];
}
const [FLOAT, UINT8, INT32, INT64, STRING, BOOL, FLOAT16] = [1, 2, 6, 7, 8, 9, 10] as const;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "halfscope-made-up-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A model with these inputs, embedding tables (values are of no matter) and nodes. */
async function modelOf({ inputs, tables = {}, nodes = [] }: Sketch): Promise<{ model: Model; view: GraphView }> {
  const shape = (dims: Dims) => ({
    dim: dims.map((d) => (typeof d === "number" ? { dimValue: d } : d === undefined ? {} : { dimParam: d })),
  });
  const bytes = onnxProto.onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: "", version: 17 }],
    graph: {
      name: "g",
      input: Object.entries(inputs).map(([name, [elemType, dims]]) => ({
        name,
        type: { tensorType: { elemType, ...(dims === undefined ? {} : { shape: shape(dims) }) } },
      })),
      initializer: Object.entries(tables).map(([name, dims]) => ({
        name,
        dims: [...dims],
        dataType: FLOAT,
        rawData: new Uint8Array(4 * dims.reduce((n, d) => n * d, 1)),
      })),
      node: nodes.map(([opType, from, output, axis]) => ({
        opType,
        input: [...from],
        output: [output],
        attribute: axis === undefined ? [] : [{ name: "axis", type: 2, i: axis }],
      })),
      output: [{ name: nodes.at(-1)?.[2] ?? "y" }],
    },
  }).finish();
  const path = join(folder, "model.onnx");
  writeFileSync(path, bytes);
  const model = await readModel(path);
  return { model, view: viewGraph(model.graph) };
}
const make = async (sketch: Sketch, options = {}): Promise<Feed[]> => {
  const { model, view } = await modelOf(sketch);
  return makeFeeds(model, view, options);
};
const numbers = (feed: Feed | undefined, name: string): number[] => Array.from(elementsOf(tensorsOf(feed!).get(name)!)!, Number);
const dims = (feed: Feed | undefined, name: string) => tensorsOf(feed!).get(name)!.dims;

const bert: Sketch = {
  inputs: { input_ids: [INT64, ["batch", "seq"]], attention_mask: [INT64, ["batch", "seq"]], token_type_ids: [INT64, ["batch", "seq"]] },
  tables: { words: [30522, 4], types: [2, 4], positions: [512, 4] },
  nodes: [
    ["Cast", ["input_ids"], "ids"],
    ["Gather", ["words", "ids"], "a"],
    ["Gather", ["types", "token_type_ids"], "b"],
    ["Gather", ["positions", "range"], "c"],
    ["Sub", ["one", "attention_mask"], "d"],
  ],
};

describe("a BERT", () => {
  test("gets ids within its table, a mask of ones and segments of zeros in the first sample", async () => {
    const [feed] = await make(bert);
    const ids = numbers(feed, "input_ids");
    expect(dims(feed, "input_ids")).toEqual([1, 128]);
    expect(ids[0]).toBe(101);
    expect(ids.at(-1)).toBe(102);
    expect(ids.slice(1, -1).every((id) => id >= 1000 && id < 30522)).toBe(true);
    expect(new Set(ids).size).toBeGreaterThan(60);
    expect(new Set(numbers(feed, "attention_mask"))).toEqual(new Set([1]));
    expect(new Set(numbers(feed, "token_type_ids"))).toEqual(new Set([0]));
    expect(feed!.origins.get("input_ids")).toBe("made up: token ids in [0, 30522) (seed 0)");
  });
  test("gets padding and a second segment in later samples", async () => {
    const feed = (await make(bert, { samples: 2 }))[1];
    expect(numbers(feed, "attention_mask")).toEqual([...Array(96).fill(1), ...Array(32).fill(0)]);
    expect(numbers(feed, "input_ids").slice(95)).toEqual([102, ...Array(32).fill(0)]);
    expect(numbers(feed, "token_type_ids")).toEqual([...Array(48).fill(0), ...Array(48).fill(1), ...Array(32).fill(0)]);
    expect(feed!.origins.get("attention_mask")).toBe("made up: mask of ones, 32 of 128 positions padded (seed 0, sample 1)");
  });
  test("gets padding in the last row of a batch", async () => {
    const [feed] = await make(bert, { batch: 2, sequence: 8 });
    expect(numbers(feed, "attention_mask")).toEqual([...Array(8).fill(1), ...Array(6).fill(1), 0, 0]);
  });
  test("is the same for the same seed and another for another", async () => {
    expect(await make(bert, { seed: 5, samples: 2 })).toEqual(await make(bert, { seed: 5, samples: 2 }));
    expect(numbers((await make(bert, { seed: 5 }))[0], "input_ids")).not.toEqual(numbers((await make(bert, { seed: 6 }))[0], "input_ids"));
  });
  test("does not read further than its position table", async () => {
    const short = (rows: number) => make({ ...bert, tables: { ...bert.tables!, positions: [rows, 4] } });
    expect(dims((await short(20))[0], "input_ids")).toEqual([1, 20]);
    // RoBERTa's two rows of padding.
    expect(dims((await short(66))[0], "input_ids")).toEqual([1, 64]);
  });
});

describe("tracing ids", () => {
  test("goes through shape operators and says whether every element arrives", async () => {
    const { view } = await modelOf({
      inputs: { a: [INT32, [4]], b: [INT32, [4]], c: [INT32, [4]], d: [INT32, [4]] },
      tables: { t: [50, 8], u: [8, 60] },
      nodes: [
        ["Unsqueeze", ["a", "axes"], "a1"],
        ["Reshape", ["a1", "shape"], "a2"],
        ["Gather", ["t", "a2"], "ya"],
        ["Slice", ["b", "s", "e"], "b1"],
        ["Gather", ["t", "b1"], "yb"],
        ["Add", ["c", "one"], "c1"],
        ["Gather", ["t", "c1"], "yc"],
        ["Gather", ["u", "d"], "yd", 1],
      ],
    });
    expect(traceIds(view, "a")).toEqual([{ tensor: "t", rows: 50, columns: 8, everyElement: true }]);
    expect(traceIds(view, "b")).toEqual([{ tensor: "t", rows: 50, columns: 8, everyElement: false }]);
    expect(traceIds(view, "c")).toEqual([]);
    expect(traceIds(view, "d")).toMatchObject([{ tensor: "u", rows: 60 }]);
  });
  test("the smallest of several tables bounds the ids", async () => {
    const [feed] = await make({
      inputs: { ids: [INT64, [1, 64]] },
      tables: { t: [500, 8], u: [40, 8] },
      nodes: [
        ["Gather", ["t", "ids"], "y"],
        ["Gather", ["u", "ids"], "z"],
      ],
    });
    expect(Math.max(...numbers(feed, "ids"))).toBeLessThan(40);
  });
});

describe("other inputs", () => {
  test("images are smooth, in [0, 1] or 0..255, and square where the model leaves the size open", async () => {
    const [feed] = await make({
      inputs: { x: [FLOAT, ["p.0", 3, "p.1", "p.2"]], y: [UINT8, [1, 32, 48, 3]], pixel_values: [FLOAT16, [1, 3, 32, 32]] },
    });
    expect(dims(feed, "x")).toEqual([1, 3, 224, 224]);
    const image = numbers(feed, "x");
    expect(image.every((v) => v >= 0 && v <= 1)).toBe(true);
    const steps = image.slice(1, 224).map((v, i) => Math.abs(v - image[i]!));
    expect(steps.reduce((sum, s) => sum + s, 0) / steps.length).toBeLessThan(0.1);
    expect(Math.max(...numbers(feed, "y"))).toBeGreaterThan(128);
    expect(Math.min(...numbers(feed, "pixel_values"))).toBeLessThan(0);
  });
  test("sound is at most half as loud as it could be, with its sample rate beside it", async () => {
    const [feed] = await make({ inputs: { input: [FLOAT, [undefined, undefined]], sr: [INT64, []], state: [FLOAT, [2, undefined, 128]] } });
    expect(dims(feed, "input")).toEqual([1, 512]);
    expect(dims(feed, "state")).toEqual([2, 1, 128]);
    expect(numbers(feed, "sr")).toEqual([16000]);
    const sound = numbers(feed, "input");
    expect(Math.max(...sound.map(Math.abs))).toBeLessThanOrEqual(0.5);
    expect(Math.max(...sound.map(Math.abs))).toBeGreaterThan(0.05);
    expect(Math.max(...numbers(feed, "state").map(Math.abs))).toBeLessThan(1);
  });
  test("waveforms are told by a symbol, or by a long axis alone", async () => {
    const [feed] = await make({ inputs: { input: [FLOAT, ["batch", "samples"]], long: [FLOAT, ["unk__1", 43844, 1]] } });
    expect(dims(feed, "input")).toEqual([1, 16000]);
    expect(feed!.origins.get("long")).toMatch(/^made up: sound/);
  });
  test("masks: float ones, zeros where they are added, inverted for key_padding_mask, bool", async () => {
    const feed = (
      await make(
        {
          inputs: {
            mask: [FLOAT, ["b", "s"]],
            added_mask: [FLOAT, ["b", 1, 1, "s"]],
            key_padding_mask: [BOOL, ["b", "s"]],
            attention_mask: [BOOL, ["b", "s"]],
          },
          nodes: [
            ["Unsqueeze", ["mask", "axes"], "m"],
            ["Mul", ["m", "x"], "y"],
            ["Cast", ["added_mask"], "a"],
            ["Add", ["x", "a"], "z"],
          ],
        },
        { samples: 2, sequence: 4 },
      )
    )[1];
    expect(numbers(feed, "mask")).toEqual([1, 1, 1, 0]);
    expect(numbers(feed, "added_mask")).toEqual([0, 0, 0, -10000]);
    expect(numbers(feed, "key_padding_mask")).toEqual([0, 0, 0, 1]);
    expect(numbers(feed, "attention_mask")).toEqual([1, 1, 1, 0]);
  });
  test("flags are off, but for what makes a network deterministic", async () => {
    const [feed] = await make({ inputs: { deterministic: [BOOL, []], use_cache_branch: [BOOL, [1]], training: [BOOL, []] } });
    expect(["deterministic", "use_cache_branch", "training"].flatMap((name) => numbers(feed, name))).toEqual([1, 0, 0]);
  });
  test("a decoder starts with an empty past, and sums of symbols add up", async () => {
    const [feed] = await make({
      inputs: {
        input_ids: [INT64, ["batch_size", "sequence_length"]],
        attention_mask: [INT64, ["batch_size", "past_sequence_length + sequence_length"]],
        "past_key_values.0.key": [FLOAT, ["batch_size", 4, "past_sequence_length", 16]],
        position_ids: [INT64, ["batch_size", "sequence_length"]],
      },
    });
    expect(dims(feed, "attention_mask")).toEqual([1, 128]);
    expect(dims(feed, "past_key_values.0.key")).toEqual([1, 4, 0, 16]);
    expect(numbers(feed, "position_ids").slice(0, 4)).toEqual([0, 1, 2, 3]);
  });
  test("lengths and counts of a search make sense together", async () => {
    const [feed] = await make({
      inputs: {
        input_ids: [INT32, ["batch_size", 5]],
        max_length: [INT32, [1]],
        min_length: [INT32, [1]],
        num_beams: [INT32, [1]],
        length_penalty: [FLOAT, [1]],
      },
    });
    expect(["max_length", "min_length", "num_beams", "length_penalty"].flatMap((name) => numbers(feed, name))).toEqual([13, 1, 1, 1]);
  });
  test("strings cannot be made up, nor can an input without a shape", async () => {
    await expect(make({ inputs: { text: [STRING, [1]] } })).rejects.toMatchObject({
      code: "ERR_FEED",
      hint: expect.stringMatching(/texts with --feed/),
    });
    await expect(make({ inputs: { x: [FLOAT, undefined] } })).rejects.toThrowError(/gives no shape for its input "x"/);
    expect(dims((await make({ inputs: { x: [FLOAT, undefined] } }, { shapes: { x: [2, 3] } }))[0], "x")).toEqual([2, 3]);
  });
});

describe("sizes", () => {
  test("come from options by symbol, by axis and by whole shape, and spread over a symbol", async () => {
    expect(dims((await make(bert, { dims: { seq: 7, batch: 3 } }))[0], "token_type_ids")).toEqual([3, 7]);
    expect(dims((await make(bert, { dims: { "input_ids:1": 9 } }))[0], "attention_mask")).toEqual([1, 9]);
    expect(dims((await make(bert, { shapes: { input_ids: [2, 6] } }))[0], "attention_mask")).toEqual([2, 6]);
    expect(dims((await make({ inputs: { x: [FLOAT, [undefined, undefined]] } }, { dims: { "x:1": 5 } }))[0], "x")).toEqual([1, 5]);
  });
  test.each([
    [{ dims: { sec: 7 } }, /no dimension "sec"/, 'Did you mean "seq"?'],
    [{ shapes: { inputs_ids: [1, 2] } }, /no input "inputs_ids"/, 'Did you mean "input_ids"?'],
    [{ shapes: { input_ids: [1] } }, /has 1 sizes; expected 2/, "Its shape is [batch, seq]."],
    [
      { shapes: { input_ids: [1, 4], attention_mask: [1, 5] } },
      /makes "seq" 5; elsewhere it is 4/,
      "Give a symbol the same size everywhere.",
    ],
    [{ dims: { seq: 1.5 } }, /expected a whole number, found 1\.5/, undefined],
    [{ samples: 0 }, /at least one sample, found 0/, undefined],
    [{ dims: { seq: 2 ** 40 } }, /takes 8796093022208 bytes/, "Choose smaller sizes."],
  ])("that make no sense are refused: %j", async (options, message, hint) => {
    const error = await make(bert, options).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).message).toMatch(message);
    if (hint !== undefined) expect((error as UsageError).hint).toBe(hint);
  });
  test("named ?, None or -1 are unnamed: two of them need not be equal", async () => {
    expect(dims((await make({ inputs: { x: [FLOAT, ["None", "None", "?"]] } }))[0], "x")).toEqual([1, 16, 16]);
  });
  test("that contradict the model are refused", async () => {
    await expect(make({ inputs: { x: [FLOAT, [1, 3]] } }, { shapes: { x: [1, 4] } })).rejects.toThrowError(
      /axis 1 of "x" is 3 in the model, not 4/,
    );
  });
});

describe("models of other people", () => {
  const names = sharedModelNames.length > 0 ? sharedModelNames : ["any"];
  test.for(names)("%s: made-up feeds pass the same checks as real ones, and its saved data is read", async (id, context) => {
    const path = sharedModel(context, id, "model.onnx");
    let model: Model;
    try {
      model = await readModel(path);
    } catch (error) {
      expect(error).toBeInstanceOf(HalfscopeError);
      return;
    }
    const view = viewGraph(model.graph);
    const signature = feedSignature(view);
    for (const feed of makeFeeds(model, view, { samples: 2 })) {
      expect(checkFeed(feed, signature, id).tensors).toEqual(feed.tensors);
      for (const origin of feed.origins.values()) expect(origin).toMatch(/^made up: /);
    }
    for (const name of ["ort_fp32_run", "test_data_set_0"]) {
      const data = join(dirname(path), name);
      if (!existsSync(data)) continue;
      const [feed, ...others] = await loadFeeds(data, signature);
      expect(others).toEqual([]);
      expect([...feed!.tensors.keys()]).toEqual(signature.map((input) => input.name));
    }
  });
});
