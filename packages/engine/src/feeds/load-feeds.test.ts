import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HalfscopeError, InputError, type TensorValue, UsageError } from "@halfscope/core";
import onnxProto from "onnx-proto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { elementsOf, tensorOf } from "./elements.js";
import { type Feed, type FeedInput, tensorsOf } from "./feed.js";
import { loadFeeds } from "./load-feeds.js";
import { writeNpy } from "./npy.js";
import { writeNpz } from "./npz.js";

const signature: FeedInput[] = [
  { name: "input_ids", dtype: "int64", dims: [dimension("batch"), dimension(3)] },
  { name: "x:0", dtype: "float32", dims: [dimension(2)] },
];
function dimension(d: number | string) {
  return typeof d === "number" ? { size: d, symbol: undefined } : { size: undefined, symbol: d };
}
const idsOf = (...values: number[]): TensorValue => tensorOf("int64", [values.length / 3, 3], values);
const x = tensorOf("float32", [2], [0.25, -4]);
const sampleOf = (first: number) =>
  new Map([
    ["input_ids", idsOf(first, 2, 3)],
    ["x:0", x],
  ]);
const firstIds = (feeds: readonly Feed[]) => feeds.map((feed) => Number(elementsOf(tensorsOf(feed).get("input_ids")!)![0]));
const pb = (value: TensorValue, name = "") =>
  onnxProto.onnx.TensorProto.encode({
    name,
    dims: [...value.dims],
    dataType: value.dtype === "int64" ? 7 : 1,
    rawData: value.data,
  }).finish();

let root = "";
let folder = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "halfscope-feeds-"));
});
afterAll(() => rmSync(root, { recursive: true }));
let tests = 0;
beforeEach(() => {
  folder = join(root, `${tests++}`);
  mkdirSync(folder);
});
function file(name: string, content: Uint8Array | string | object): string {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content instanceof Uint8Array || typeof content === "string" ? content : JSON.stringify(content));
  return path;
}
const failure = (spec: string | string[], options = {}): Promise<HalfscopeError> =>
  loadFeeds(spec, signature, options).then(
    () => expect.unreachable("it should fail"),
    (error: unknown) => {
      expect(error).toBeInstanceOf(HalfscopeError);
      return error as HalfscopeError;
    },
  );

describe("whole samples", () => {
  test("an .npz is one sample, and --feed may be given several times", async () => {
    const [a, b] = [file("a.npz", writeNpz(sampleOf(1))), file("b.npz", writeNpz(sampleOf(7)))];
    expect(firstIds(await loadFeeds(a, signature))).toEqual([1]);
    const both = await loadFeeds([b, a], signature);
    expect(firstIds(both)).toEqual([7, 1]);
    expect(both[0]!.origins.get("x:0")).toBe(b);
  });
  test("a folder of .npz is a sample each, in natural order", async () => {
    for (const n of [10, 9, 1]) file(`sample_${n}.npz`, writeNpz(sampleOf(n)));
    expect(firstIds(await loadFeeds(folder, signature))).toEqual([1, 9, 10]);
  });
  test("a folder of .npy takes names of inputs, also as trtexec makes them safe for files", async () => {
    file("input_ids.npy", writeNpy(idsOf(4, 5, 6)));
    file("x_0.npy", writeNpy(x));
    expect(firstIds(await loadFeeds(folder, signature))).toEqual([4]);
  });
  test("a folder of several kinds or none is refused", async () => {
    expect((await failure(folder)).message).toMatch(/expected one kind of feed, found none/);
    file("a.npz", writeNpz(sampleOf(1)));
    file("x_0.npy", writeNpy(x));
    expect((await failure(folder)).message).toMatch(/found \.npz and \.npy or \.bin/);
  });
});

describe("ONNX test data", () => {
  test("files without names go by their numbers, sets by theirs", async () => {
    for (const set of [0, 1, 10]) {
      file(`test_data_set_${set}/input_0.pb`, pb(idsOf(set, 1, 2)));
      file(`test_data_set_${set}/input_1.pb`, pb(x));
      file(`test_data_set_${set}/output_0.pb`, pb(x));
    }
    expect(firstIds(await loadFeeds(folder, signature))).toEqual([0, 1, 10]);
    expect(firstIds(await loadFeeds(join(folder, "test_data_set_1"), signature))).toEqual([1]);
  });
  test("names inside win over numbers, as real sets come in another order", async () => {
    file("input_0.pb", pb(x, "x:0"));
    file("input_1.pb", pb(idsOf(9, 1, 2), "input_ids"));
    expect(firstIds(await loadFeeds(folder, signature))).toEqual([9]);
  });
  test("a name that contradicts its number is refused, and so are too many files", async () => {
    file("input_0.pb", pb(x, "x:0"));
    file("input_1.pb", pb(idsOf(9, 1, 2), "tokens"));
    expect((await failure(folder)).message).toMatch(
      /input_0\.pb: expected the input "input_ids" by its number, found the name "x:0" inside/,
    );
    file("input_0.pb", pb(idsOf(1, 2, 3)));
    file("input_1.pb", pb(x));
    file("input_2.pb", pb(x));
    expect((await failure(folder)).message).toMatch(/input_2\.pb: expected one of 2 inputs \(0 to 1\), found number 2/);
  });
});

describe("one file per input", () => {
  test("parts make a sample until a name repeats", async () => {
    const xs = file("x.npy", writeNpy(x));
    const spec = [1, 5].flatMap((n) => [`input_ids=${file(`${n}.npy`, writeNpy(idsOf(n, 0, 0)))}`, `x:0=${xs}`]);
    expect(firstIds(await loadFeeds(spec, signature))).toEqual([1, 5]);
  });
  test("raw files need exact sizes and a known shape", async () => {
    const ids = file("ids.bin", idsOf(1, 2, 3).data);
    const raw = file("x.bin", x.data);
    const spec = `input_ids:${ids},'x:0':${raw}`;
    expect(firstIds(await loadFeeds(spec, signature, { dims: { batch: 1 } }))).toEqual([1]);
    expect(firstIds(await loadFeeds(spec, signature, { shapes: { input_ids: [1, 3] } }))).toEqual([1]);
    expect((await failure(spec)).message).toMatch(/expected a known shape of "input_ids".* found \[batch, 3\]/);
    const twice = file("twice.bin", new Uint8Array(16));
    const error = await failure([`x:0:${twice}`]);
    expect(error).toMatchObject({ code: "ERR_FEED_FILE" });
    expect(error.message).toMatch(/exactly 8 bytes for the shape \[2\] of float32, found twice as many \(16\), which trtexec accepts/);
    expect(error.hint).toMatch(/int64 for int32/);
    expect((await failure([`x:0:${file("odd.bin", new Uint8Array(9))}`])).message).toMatch(/exactly 8 bytes .*, found 9/);
  });
  test("commas and colons in file names are no separators", async () => {
    const odd = file("a,b:c=d.npy", writeNpy(x));
    const feeds = await loadFeeds([`x:0=${odd}`, `input_ids=${file("i.npy", writeNpy(idsOf(1, 2, 3)))}`], signature);
    expect(feeds[0]!.origins.get("x:0")).toBe(odd);
    const both = await loadFeeds(`x:0:${odd},input_ids:${join(folder, "i.npy")}`, signature);
    expect(both[0]!.origins.get("x:0")).toBe(odd);
  });
  test("slips are named: no such file, no such input, a file that is none", async () => {
    expect(await failure("nowhere.npz")).toMatchObject({ code: "ERR_FILE_NOT_FOUND", exitCode: 2 });
    expect(await failure("x:0=nowhere.npy")).toBeInstanceOf(UsageError);
    expect((await failure(`input_idz=${file("i.npy", writeNpy(x))}`)).hint).toBe('Did you mean "input_ids"?');
    expect((await failure(`x:0=${folder}`)).message).toMatch(/expected a regular file, found a folder/);
    symlinkSync("/dev/zero", join(folder, "zero.npz"));
    expect(await failure(join(folder, "zero.npz"))).toMatchObject({ code: "ERR_FEED_FILE" });
    expect(await failure([])).toMatchObject({ code: "ERR_OPTION" });
  });
  test("limits hold over all files of a call", async () => {
    const spec = [file("a.npz", writeNpz(sampleOf(1))), file("b.npz", writeNpz(sampleOf(1)))];
    await loadFeeds(spec, signature, { limits: { totalBytes: 1000 } });
    expect(await failure(spec, { limits: { totalBytes: 300 } })).toMatchObject({ code: "ERR_FEED_FILE" });
    expect((await failure(spec, { limits: { fileBytes: 100 } })).message).toMatch(/expected at most 100 bytes/);
  });
  test("which sample is wrong stands in the message", async () => {
    const wrong = new Map(sampleOf(1)).set("x:0", tensorOf("float32", [2], [1, Number.NaN]));
    const error = await failure([file("a.npz", writeNpz(sampleOf(1))), file("b.npz", writeNpz(wrong))]);
    expect(error).toMatchObject({ code: "ERR_FEED_NOT_FINITE" });
    expect(error.message).toMatch(/^Sample 1 \(.*b\.npz\): "x:0" holds NaN at flat index 1/);
  });
});

describe("JSON", () => {
  test("nested arrays take the type of the input; objects say their own", async () => {
    const path = file("a.json", { input_ids: [[1, 2, 3]], "x:0": { dtype: "float32", dims: [2], data: [0.5, 1e-3] } });
    const [feed] = await loadFeeds(path, signature);
    expect(feed!.tensors.get("input_ids")).toEqual(idsOf(1, 2, 3));
    expect(feed!.tensors.get("x:0")).toEqual(tensorOf("float32", [2], [0.5, 1e-3]));
  });
  test("a list holds one object per sample", async () => {
    const path = file(
      "a.json",
      [3, 4].map((n) => ({ input_ids: [[n, 2, 3]], "x:0": [0, 1] })),
    );
    expect(firstIds(await loadFeeds(path, signature))).toEqual([3, 4]);
  });
  test("whole numbers beyond 2^53 are strings, scalars plain numbers", async () => {
    const one: FeedInput[] = [{ name: "n", dtype: "int64", dims: [] }];
    const [feed] = await loadFeeds(file("a.json", { n: "9223372036854775807" }), one);
    expect([...elementsOf(tensorsOf(feed!).get("n")!)!]).toEqual([2n ** 63n - 1n]);
    await expect(loadFeeds(file("b.json", '{"n": 9223372036854775807}'), one)).rejects.toThrowError(
      /values of int64, found 9223372036854775807|9223372036854776000/,
    );
    await expect(loadFeeds(file("c.json", { n: "9223372036854775808" }), one)).rejects.toThrowError(InputError);
  });
  test.each([
    [
      "ragged arrays",
      {
        input_ids: [
          [1, 2, 3],
          [4, 5],
        ],
        "x:0": [1, 2],
      },
      /arrays of the same length, 3 on axis 1, found one of 2/,
    ],
    ["fractions for ids", { input_ids: [[1, 2, 2.5]], "x:0": [1, 2] }, /values of int64, found 2\.5/],
    ["strings for floats", { input_ids: [[1, 2, 3]], "x:0": ["1", 2] }, /expected numbers, found the string "1"/],
    ["unknown names", { ids: [[1]] }, /"ids" is no input of the model/],
    [
      "data that does not fill dims",
      { input_ids: { dims: [2, 3], data: [1, 2, 3] } },
      /6 values for the shape \[2, 3\], found the shape \[3\]/,
    ],
    ["unknown types", { input_ids: { dtype: "int63", dims: [1], data: [1] } }, /a type such as "float32" or "int64", found "int63"/],
    ["sizes that are none", { input_ids: { dims: [-1], data: [1] } }, /dims as a list of sizes/],
    ["numbers at the top", 3, /an object of inputs by name, found 3/],
    ["nothing", [], /1 to 10000 samples, found 0/],
  ])("%s are refused", async (_, content, message) => {
    const error = await failure(file("a.json", content as object));
    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toMatch(message);
  });
  test("text that is no JSON, and nesting without end, are refused", async () => {
    expect(await failure(file("a.json", '{"x:0": [NaN]}'))).toMatchObject({ code: "ERR_FEED_FILE" });
    expect(await failure(file("b.json", `{"x:0": ${"[".repeat(200_000)}${"]".repeat(200_000)}}`))).toMatchObject({ code: "ERR_FEED_FILE" });
    expect(await failure(file("c.json", Uint8Array.of(0xff, 0xfe, 0x00)))).toMatchObject({ code: "ERR_FEED_FILE" });
  });
  test("every truncation of a file is an InputError", async () => {
    const whole = JSON.stringify({ input_ids: [[1, 2, 3]], "x:0": { dims: [2], data: [0.5, 1] } });
    for (let length = 0; length < whole.length; length++)
      expect(await failure(file("cut.json", whole.slice(0, length)))).toMatchObject({ code: "ERR_FEED_FILE" });
  });
});

describe("Polygraphy's JSON", () => {
  const array = (value: TensorValue) => ({ array: Buffer.from(writeNpy(value)).toString("base64"), polygraphy_class: "ndarray" });
  test("a list of dicts is a sample each, old markers and lazy arrays included", async () => {
    const old = { array: array(x).array, polygraphy_serialized_json_type: "ndarray" };
    const path = file("inputs.json", [
      { input_ids: array(idsOf(1, 2, 3)), "x:0": old },
      { input_ids: { values: array(idsOf(8, 2, 3)), polygraphy_class: "LazyArray" }, "x:0": array(x) },
    ]);
    const feeds = await loadFeeds(path, signature);
    expect(firstIds(feeds)).toEqual([1, 8]);
    expect(feeds[1]!.origins.get("x:0")).toBe(`${path}, sample 1`);
  });
  test("PyTorch tensors are pickles and are refused", async () => {
    const error = await failure(file("inputs.json", [{ "x:0": { tensor: "gAI=", polygraphy_class: "Tensor" } }]));
    expect(error.message).toMatch(/expected a NumPy array, found a PyTorch tensor \(a pickle\)/);
  });
  test("results files hold outputs and are refused with what to do", async () => {
    const error = await failure(file("outputs.json", { lst: [], polygraphy_class: "RunResults" }));
    expect(error.message).toMatch(/found RunResults, which holds outputs/);
    expect(error.hint).toMatch(/--save-inputs/);
  });
  test("damaged base64 and damaged arrays are InputErrors", async () => {
    for (const text of ["%%%%", "abc", "", Buffer.from("\x93NUMPY").toString("base64")])
      expect(await failure(file("inputs.json", [{ "x:0": { array: text, polygraphy_class: "ndarray" } }]))).toMatchObject({
        code: "ERR_FEED_FILE",
      });
  });
});
