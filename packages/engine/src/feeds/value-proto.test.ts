import { type FeedValue, InputError, isTensorValue, type OptionalValue, type SequenceValue } from "@halfscope/core";
import { describe, expect, test } from "vitest";
import { block, varintField } from "../../../../test/support/wire.js";
import { checkFeed } from "./check-feeds.js";
import { elementsOf } from "./elements.js";
import { describeFeeds, type FeedInput } from "./feed.js";
import { readValueProto } from "./value-proto.js";

const bytes = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const tensor = (...values: number[]) => [varintField(1, values.length), varintField(2, 1), block(9, bytes(...values))];
const sequenceOf = (...tensors: Uint8Array[][]) => [block(1, "s"), varintField(2, 1), ...tensors.map((t) => block(3, t))];
const read = (fields: readonly Uint8Array[], container: NonNullable<FeedInput["container"]>) =>
  readValueProto(Buffer.concat(fields), "input_0.pb", container);
const sequence = { kind: "sequence", dtype: "float32" } as const;
const optional = (of: "tensor" | "sequence") => ({ kind: "optional", of, dtype: "float32" }) as const;
const numbers = (value: FeedValue | undefined) => (value !== undefined && isTensorValue(value) ? [...elementsOf(value)!] : undefined);

describe("serialised values", () => {
  test("a sequence of tensors of different shapes", () => {
    const { name, value } = read(sequenceOf(tensor(1, 2), tensor(3)), sequence);
    expect(name).toBe("s");
    expect((value as SequenceValue).elements.map(numbers)).toEqual([[1, 2], [3]]);
  });
  test("an empty sequence has the type that its input declares", () => {
    expect(read([block(1, "s"), varintField(2, 1)], sequence).value).toEqual({ kind: "sequence", dtype: "float32", elements: [] });
  });
  test("optionals: with a tensor, with a sequence, absent", () => {
    const some = read([block(1, "o"), varintField(2, 1), block(3, tensor(4))], optional("tensor")).value as OptionalValue;
    expect(numbers(some.value)).toEqual([4]);
    const list = read([block(1, "o"), varintField(2, 3), block(5, sequenceOf(tensor(5)))], optional("sequence")).value as OptionalValue;
    expect((list.value as SequenceValue).elements.map(numbers)).toEqual([[5]]);
    expect(read([block(1, "o"), varintField(2, 0)], optional("tensor")).value).toEqual({
      kind: "optional",
      of: "tensor",
      dtype: "float32",
      value: undefined,
    });
  });
  test.each([
    ["a map", [block(1, "s"), varintField(2, 4)], sequence, /found maps/],
    [
      "elements of two types",
      sequenceOf(tensor(1), [varintField(1, 1), varintField(2, 7), block(9, new Uint8Array(8))]),
      sequence,
      /one type \(float32\), found one of int64/,
    ],
    [
      "a tensor where a sequence is declared",
      [block(1, "o"), varintField(2, 1), block(3, tensor(4))],
      optional("sequence"),
      /optional sequence/,
    ],
    ["a cut file", [block(1, "s").subarray(0, 2)], sequence, /field 1 with 1 bytes where 0 are left/],
  ])("%s is refused", (_, fields, container, message) => {
    expect(() => read(fields, container)).toThrowError(message);
    expect(() => read(fields, container)).toThrowError(InputError);
  });
});

describe("values against their inputs", () => {
  const input: FeedInput = { name: "x", dtype: "unknown", dims: undefined, container: sequence };
  const check = (value: FeedValue, to = input) => checkFeed({ tensors: new Map([["x", value]]), origins: new Map() }, [to], "x.pb");
  const value = read(sequenceOf(tensor(1, Number.NaN)), sequence).value;

  test("NaN in an element is found", () => {
    expect(() => check(value)).toThrowError(/"x" holds NaN at flat index 1/);
  });
  test("another type of elements, and a tensor in place of a sequence, are refused", () => {
    const ints = { kind: "sequence", dtype: "int64", elements: [{ dtype: "int64", dims: [1], data: new Uint8Array(8) }] } as const;
    expect(() => check(ints)).toThrowError(/is given a sequence of int64; the model expects a sequence of float32/);
    expect(() => check(ints.elements[0])).toThrowError(/is given a tensor of int64/);
  });
  test("a bare tensor is taken for the optional that holds it, and described", () => {
    const bare = { dtype: "float32", dims: [1], data: bytes(1) } as const;
    const feed = check(bare, { ...input, container: optional("tensor") });
    expect(feed.tensors.get("x")).toEqual({ ...optional("tensor"), value: bare });
    expect(describeFeeds(feed)).toEqual([{ name: "x", dtype: "float32", dims: [1], origin: "x.pb; an optional" }]);
  });
});
