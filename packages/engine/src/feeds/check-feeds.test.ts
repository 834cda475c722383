import { type DType, InputError, type TensorValue } from "@halfscope/core";
import { describe, expect, test } from "vitest";
import { checkFeed } from "./check-feeds.js";
import { elementsOf, tensorOf } from "./elements.js";
import { describeFeeds, type Feed, type FeedInput, tensorsOf } from "./feed.js";

const fixed = (...sizes: (number | string)[]) =>
  sizes.map((s) => (typeof s === "number" ? { size: s, symbol: undefined } : { size: undefined, symbol: s }));
const ids: FeedInput = {
  name: "input_ids",
  dtype: "int64",
  dims: fixed("batch", 3),
  ids: [{ tensor: "word_embeddings", rows: 100, columns: 8, everyElement: true }],
};
const hidden: FeedInput = { name: "hidden", dtype: "float32", dims: fixed("batch", 2) };
const feed = (tensors: Record<string, TensorValue>): Feed => ({ tensors: new Map(Object.entries(tensors)), origins: new Map() });
const goodIds = tensorOf("int64", [1, 3], [1, 2, 99]);
const goodHidden = tensorOf("float32", [1, 2], [0.5, -1]);
const check = (tensors: Record<string, TensorValue>) => checkFeed(feed(tensors), [ids, hidden], "a.npz");

/** One input of type `to`, fed with `value`. */
const convert = (value: TensorValue, to: DType, dims = value.dims) =>
  checkFeed(feed({ x: value }), [{ name: "x", dtype: to, dims: fixed(...dims) }], "x.npy");

describe("a feed that fits", () => {
  test("comes back in the order of the inputs, its bytes untouched", () => {
    const checked = check({ hidden: goodHidden, input_ids: goodIds });
    expect([...checked.tensors]).toEqual([
      ["input_ids", goodIds],
      ["hidden", goodHidden],
    ]);
  });
  test("is described with name, type, shape and origin", () => {
    expect(describeFeeds(check({ hidden: goodHidden, input_ids: goodIds }))).toEqual([
      { name: "input_ids", dtype: "int64", dims: [1, 3], origin: "a.npz" },
      { name: "hidden", dtype: "float32", dims: [1, 2], origin: "a.npz" },
    ]);
  });
  test("may give one symbol two sizes, as runtimes accept, with a note", () => {
    const checked = check({ input_ids: goodIds, hidden: tensorOf("float32", [2, 2], [1, 2, 3, 4]) });
    expect(checked.origins.get("hidden")).toBe('a.npz; size "batch" is 2 here and 1 in another input');
  });
  test("may count ids from the end of their table, as Gather does", () => {
    expect(() => check({ hidden: goodHidden, input_ids: tensorOf("int64", [1, 3], [-100, -1, 0]) })).not.toThrow();
  });
});

describe("a feed that does not fit", () => {
  const cases: [string, Record<string, TensorValue>, string, RegExp, RegExp][] = [
    [
      "a missing input",
      { input_ids: goodIds },
      "ERR_FEED",
      /"hidden" is not fed/,
      /"input_ids" int64 \[batch, 3\], "hidden" float32 \[batch, 2\]/,
    ],
    ["an unknown name", { input_id: goodIds, hidden: goodHidden }, "ERR_FEED", /"input_id" is no input/, /Did you mean "input_ids"\?/],
    [
      "a wrong rank",
      { input_ids: goodIds, hidden: tensorOf("float32", [2], [1, 2]) },
      "ERR_FEED",
      /shape \[2\]; the model expects \[batch, 2\]/,
      /declares/,
    ],
    [
      "a wrong size",
      { input_ids: goodIds, hidden: tensorOf("float32", [1, 3], [1, 2, 3]) },
      "ERR_FEED",
      /shape \[1, 3\]; .* \[batch, 2\]/,
      /declares/,
    ],
    [
      "a wrong type",
      { input_ids: goodIds, hidden: tensorOf("int64", [1, 2], [1, 2]) },
      "ERR_FEED",
      /type int64; the model expects float32/,
      /float32/,
    ],
    [
      "NaN",
      { input_ids: goodIds, hidden: tensorOf("float32", [1, 2], [1, Number.NaN]) },
      "ERR_FEED_NOT_FINITE",
      /"hidden" holds NaN at flat index 1/,
      /mask/,
    ],
    [
      "Inf",
      { input_ids: goodIds, hidden: tensorOf("float32", [1, 2], [Number.NEGATIVE_INFINITY, 1]) },
      "ERR_FEED_NOT_FINITE",
      /-Infinity at flat index 0/,
      /mask/,
    ],
    [
      "an id beyond its table",
      { input_ids: tensorOf("int64", [1, 3], [1, 100, 2]), hidden: goodHidden },
      "ERR_FEED",
      /the id 100 at flat index 1; it indexes "word_embeddings", which has 100 rows/,
      /\[0, 100\)/,
    ],
    [
      "an id before its table",
      { input_ids: tensorOf("int64", [1, 3], [1, 2, -101]), hidden: goodHidden },
      "ERR_FEED",
      /the id -101 at flat index 2/,
      /tokenizer/,
    ],
    [
      "bytes that do not fit the shape",
      { input_ids: goodIds, hidden: { dtype: "float32", dims: [1, 2], data: new Uint8Array(7) } },
      "ERR_FEED",
      /has 7 bytes where its shape \[1, 2\] of float32 needs 8/,
      /exactly/,
    ],
  ];
  test.each(cases)("%s", (_, tensors, code, message, hint) => {
    let error: unknown;
    try {
      check(tensors);
    } catch (e) {
      error = e;
    }
    expect(error).toBeInstanceOf(InputError);
    expect(error).toMatchObject({ code, exitCode: 3 });
    expect((error as InputError).message).toMatch(message);
    expect((error as InputError).message).toMatch(/^a\.npz: /);
    expect((error as InputError).hint).toMatch(hint);
    expect(() => JSON.stringify((error as InputError).context)).not.toThrow();
  });
});

describe("types", () => {
  const exact: [DType, DType, (number | bigint)[]][] = [
    ["int32", "int64", [-5, 2 ** 31 - 1]],
    ["int64", "int32", [-5n, 7n]],
    ["bool", "int64", [0, 1]],
    ["int64", "bool", [0n, 1n]],
    ["uint8", "int32", [0, 255]],
    ["float16", "float32", [0.5, -65504]],
    ["float32", "float64", [0.1, 3]],
  ];
  test.each(exact)("%s becomes %s with a note where no value changes", (from, to, values) => {
    const checked = convert(tensorOf(from, [2], values), to);
    expect(tensorsOf(checked).get("x")!.dtype).toBe(to);
    expect([...elementsOf(tensorsOf(checked).get("x")!)!].map(Number)).toEqual([...elementsOf(tensorOf(from, [2], values))!].map(Number));
    expect(checked.origins.get("x")).toBe(`x.npy; converted from ${from} without loss`);
  });
  test("uint16 is taken as the bits of bfloat16, which NumPy has no type for", () => {
    const checked = convert(tensorOf("uint16", [2], [0x3f80, 0xc000]), "bfloat16");
    expect([...elementsOf(tensorsOf(checked).get("x")!)!]).toEqual([1, -2]);
    expect(checked.origins.get("x")).toBe("x.npy; uint16 taken as the bits of bfloat16");
  });
  test("float64 is rounded to float32, with a note", () => {
    const checked = convert(tensorOf("float64", [1], [0.1]), "float32");
    expect([...elementsOf(tensorsOf(checked).get("x")!)!]).toEqual([Math.fround(0.1)]);
    expect(checked.origins.get("x")).toBe("x.npy; rounded from float64 to float32");
  });
  const lossy: [DType, DType, number | bigint, RegExp][] = [
    ["int64", "int32", 2n ** 31n, /the value 2147483648 at 0 does not fit int32/],
    ["int32", "bool", 2, /the value 2 at 0 does not fit bool/],
    ["int64", "uint8", -1n, /does not fit uint8/],
    ["float64", "float32", 1e39, /does not fit float32/],
    ["float32", "float16", 0.1, /values would change/],
    ["float32", "int64", 1, /values would change/],
    ["int64", "float32", 1n, /values would change/],
  ];
  test.each(lossy)("%s does not become %s silently (%s)", (from, to, value, message) => {
    expect(() => convert(tensorOf(from, [1], [value]), to)).toThrowError(message);
  });
  test("a single element may have rank 0 or the shape [1], with a note", () => {
    const scalar = convert(tensorOf("int64", [1], [16000]), "int64", []);
    expect(tensorsOf(scalar).get("x")!.dims).toEqual([]);
    expect(scalar.origins.get("x")).toBe("x.npy; shape [1] taken as []");
    expect(tensorsOf(convert(tensorOf("int64", [], [16000]), "int64", [1])).get("x")!.dims).toEqual([1]);
    expect(() => convert(tensorOf("int64", [], [1]), "int64", [2])).toThrowError(/shape \[\]; the model expects \[2\]/);
  });
});
