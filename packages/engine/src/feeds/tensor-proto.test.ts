import { type DType, InputError, stringsOf, type TensorValue } from "@halfscope/core";
import onnxProto from "onnx-proto";
import { describe, expect, test } from "vitest";
import { elementsOf } from "./elements.js";
import { readTensorProto } from "./tensor-proto.js";

const { TensorProto } = onnxProto.onnx;
const encode = (tensor: onnxProto.onnx.ITensorProto): Uint8Array => TensorProto.encode(tensor).finish();
const read = (tensor: onnxProto.onnx.ITensorProto): TensorValue => readTensorProto(encode(tensor), "input_0.pb").value;
const numbers = (value: TensorValue): (number | bigint)[] => [...elementsOf(value)!];

test("raw data is taken as it stands, with the name inside", () => {
  const bytes = encode({ name: "x", dims: [2], dataType: 1, rawData: Uint8Array.from([0, 0, 128, 63, 0, 0, 0, 192]) });
  const { name, value } = readTensorProto(bytes, "input_0.pb");
  expect(name).toBe("x");
  expect(value).toMatchObject({ dtype: "float32", dims: [2] });
  expect(numbers(value)).toEqual([1, -2]);
});

describe("typed fields", () => {
  const typed: [DType, number, onnxProto.onnx.ITensorProto, (number | bigint)[]][] = [
    ["float32", 1, { floatData: [1, -2.5] }, [1, -2.5]],
    ["uint8", 2, { int32Data: [0, 255] }, [0, 255]],
    ["int8", 3, { int32Data: [-128, 127] }, [-128, 127]],
    ["uint16", 4, { int32Data: [0, 65535] }, [0, 65535]],
    ["int16", 5, { int32Data: [-32768, 3] }, [-32768, 3]],
    ["int32", 6, { int32Data: [-(2 ** 31), 7] }, [-(2 ** 31), 7]],
    ["int64", 7, { int64Data: [-1, 2 ** 40] }, [-1n, 2n ** 40n]],
    ["bool", 9, { int32Data: [0, 1] }, [0, 1]],
    ["float16", 10, { int32Data: [0x3c00, 0xc000] }, [1, -2]],
    ["float64", 11, { doubleData: [0.1, -1e300] }, [0.1, -1e300]],
    ["uint32", 12, { uint64Data: [0, 2 ** 32 - 1] }, [0, 2 ** 32 - 1]],
    ["uint64", 13, { uint64Data: [0, 2 ** 50] }, [0n, 2n ** 50n]],
    ["bfloat16", 16, { int32Data: [0x3f80, 0xc000] }, [1, -2]],
  ];
  test.each(typed)("hold %s", (dtype, dataType, data, expected) => {
    const value = read({ dims: [2], dataType, ...data });
    expect(value.dtype).toBe(dtype);
    expect(numbers(value)).toEqual(expected);
  });
  test("complex numbers take two values each", () => {
    const value = read({ dims: [1], dataType: 14, floatData: [1, -1] });
    expect([...new Float32Array(value.data.slice().buffer)]).toEqual([1, -1]);
  });
  test("texts come with their lengths", () => {
    const value = read({ dims: [2], dataType: 8, stringData: [new TextEncoder().encode("größer"), new Uint8Array(0)] });
    expect(stringsOf(value)).toEqual(["größer", ""]);
  });
  test("types below one byte are packed", () => {
    expect(read({ dims: [3], dataType: 22, int32Data: [0x21, 0x0f] }).data).toEqual(Uint8Array.of(0x21, 0x0f));
    expect(read({ dims: [5], dataType: 25, rawData: Uint8Array.of(0xe4, 3) })).toMatchObject({
      dtype: "uint2",
      data: Uint8Array.of(0xe4, 3),
    });
  });
  test("values outside of the type and wrong numbers of values are refused", () => {
    expect(() => read({ dims: [1], dataType: 2, int32Data: [256] })).toThrowError(/values of uint8 between 0 and 255, found 256/);
    expect(() => read({ dims: [3], dataType: 1, floatData: [1] })).toThrowError(/3 values in raw_data or float_data .*, found 1/);
    expect(() => read({ dims: [2], dataType: 9, rawData: Uint8Array.of(1, 2) })).toThrowError(/bools that are 0 or 1/);
  });
});

describe("what is no feed", () => {
  test.each([
    ["external data", { dims: [1], dataType: 1, dataLocation: 1 }, /reference to external data/],
    ["segments", { dims: [1], dataType: 1, segment: { begin: 0, end: 1 } }, /one segment/],
    ["too few strings", { dims: [2], dataType: 8, stringData: [Uint8Array.of(65)] }, /2 values in string_data .*, found 1/],
    [
      "too few packed bytes",
      { dims: [3], dataType: 22, rawData: Uint8Array.of(1) },
      /2 bytes of data for the shape \[3\] of int4, found 1/,
    ],
    ["a type of the future", { dims: [1], dataType: 99, rawData: Uint8Array.of(1) }, /unknown \(number 99\)/],
    ["no type", { dims: [1], rawData: Uint8Array.of(1) }, /found no type/],
    ["negative sizes", { dims: [-1], dataType: 1 }, /no shape of a tensor/],
    ["huge sizes", { dims: [2 ** 40, 2 ** 40], dataType: 1 }, /no shape of a tensor/],
    ["more than the limit", { dims: [2 ** 40], dataType: 1 }, /declares 4398046511104 bytes/],
  ])("%s", (_, tensor, message) => {
    expect(() => read(tensor)).toThrowError(message);
    expect(() => read(tensor)).toThrowError(InputError);
  });
  test("every truncation is an InputError", () => {
    const whole = encode({ name: "x", dims: [2, 2], dataType: 1, rawData: new Uint8Array(16) });
    for (let length = 0; length < whole.length; length++)
      expect(() => readTensorProto(whole.subarray(0, length), "cut.pb")).toThrowError(InputError);
  });
  test("every damaged byte gives an InputError or a sound tensor", () => {
    const whole = encode({ name: "x", dims: [2, 2], dataType: 7, int64Data: [1, 2, 300, 40000] });
    for (let at = 0; at < whole.length; at++)
      for (let flip = 1; flip < 256; flip++) {
        const damaged = Uint8Array.from(whole);
        damaged[at]! ^= flip;
        try {
          const { value } = readTensorProto(damaged, "damaged.pb");
          expect(
            value.data.length %
              Math.max(
                1,
                value.dims.reduce((n, d) => n * d, 1),
              ),
          ).toBe(0);
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
        }
      }
  });
});
