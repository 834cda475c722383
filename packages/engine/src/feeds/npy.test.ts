import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InputError, type TensorValue } from "@halfscope/core";
import { describe, expect, test } from "vitest";
import { python } from "../../../../test/python.js";
import { elementsOf, tensorOf } from "./elements.js";
import { Budget, defaultLimits } from "./limits.js";
import { readNpy, writeNpy } from "./npy.js";

/** Written by NumPy 2.4 with numpy.save and numpy.lib.format.write_array. */
const byNumpy = {
  "float32 in C order":
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAACAPwAAAEAAAEBAAACAQAAAoEA=",
  "float32 in Fortran order":
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAABAQAAAgD8AAIBAAAAAQAAAoEA=",
  "big-endian int64":
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPmk4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDMsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAf/////////+AAABAAAAAAA=",
  "big-endian complex128 in Fortran order":
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPmMxNicsICdmb3J0cmFuX29yZGVyJzogVHJ1ZSwgJ3NoYXBlJzogKDIsIDIpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAo/8AAAAAAAAEAAAAAAAAAAAAAAAAAAAABAFAAAAAAAAEAIAAAAAAAAwBAAAAAAAABAGAAAAAAAAAAAAAAAAAAA",
  "bool scalar":
    "k05VTVBZAQB2AHsnZGVzY3InOiAnfGIxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoB",
  float16:
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGYyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDMsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAPgCA/3s=",
  empty:
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPHUyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDAsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAo=",
  "format 2.0":
    "k05VTVBZAgB0AAAAeydkZXNjcic6ICd8dTEnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMSwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoH",
  "format 3.0":
    "k05VTVBZAwB0AAAAeydkZXNjcic6ICd8aTEnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMSwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAr5",
  objects:
    "k05VTVBZAQB2AHsnZGVzY3InOiAnfE8nLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAqABJWOAAAAAAAAAIwWbnVtcHkuX2NvcmUubXVsdGlhcnJheZSMDF9yZWNvbnN0cnVjdJSTlIwFbnVtcHmUjAduZGFycmF5lJOUSwCFlEMBYpSHlFKUKEsBSwKFlGgDjAVkdHlwZZSTlIwCTziUiYiHlFKUKEsDjAF8lE5OTkr/////Sv////9LP3SUYoldlCh9lEsBZXSUYi4=",
  structured:
    "k05VTVBZAQB2AHsnZGVzY3InOiBbKCdhJywgJzxmNCcpLCAoJ2InLCAnPGk0JyldLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMSwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAA==",
  unicode:
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPFUyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAphAAAAYgAAAA==",
  bytes:
    "k05VTVBZAQB2AHsnZGVzY3InOiAnfFMyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAphYg==",
  date: "k05VTVBZAQB2AHsnZGVzY3InOiAnPE04W0RdJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIArmTwAAAAAAAA==",
  "long double":
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGYxNicsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgxLCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAgP8/96W5fwAA",
} as const;
const bytesOf = (name: keyof typeof byNumpy): Uint8Array => Buffer.from(byNumpy[name], "base64");
const load = (name: keyof typeof byNumpy): TensorValue => readNpy(bytesOf(name), `${name}.npy`);
const numbers = (value: TensorValue): (number | bigint)[] => [...elementsOf(value)!];

describe("reading what NumPy wrote", () => {
  test("C and Fortran order give the same tensor", () => {
    const expected = { dtype: "float32", dims: [2, 3] };
    expect(load("float32 in C order")).toMatchObject(expected);
    expect(load("float32 in Fortran order")).toEqual(load("float32 in C order"));
    expect(numbers(load("float32 in Fortran order"))).toEqual([0, 1, 2, 3, 4, 5]);
  });
  test("big-endian numbers are turned around, complex ones by their halves", () => {
    expect(numbers(load("big-endian int64"))).toEqual([1n, -2n, 2n ** 40n]);
    const complex = load("big-endian complex128 in Fortran order");
    expect(complex).toMatchObject({ dtype: "complex128", dims: [2, 2] });
    expect([...new Float64Array(complex.data.slice().buffer)]).toEqual([1, 2, 3, -4, 0, 5, 6, 0]);
  });
  test("reading changes no byte of the file and shares none with it", () => {
    const bytes = bytesOf("big-endian int64");
    const value = readNpy(bytes, "x.npy");
    expect(bytes).toEqual(bytesOf("big-endian int64"));
    value.data.fill(255);
    expect(bytes).toEqual(bytesOf("big-endian int64"));
  });
  test("scalars have no axes, and empty arrays no bytes", () => {
    expect(load("bool scalar")).toEqual({ dtype: "bool", dims: [], data: Uint8Array.of(1) });
    expect(load("empty")).toMatchObject({ dtype: "uint16", dims: [2, 0, 3], data: new Uint8Array(0) });
  });
  test("float16 keeps the sign of zero and the largest value", () => {
    expect(numbers(load("float16"))).toEqual([1.5, -0, 65504]);
  });
  test("formats 2.0 and 3.0 are read", () => {
    expect(numbers(load("format 2.0"))).toEqual([7]);
    expect(numbers(load("format 3.0"))).toEqual([-7]);
  });
  test.each(["objects", "structured", "unicode", "bytes", "date", "long double"] as const)("%s are refused with a reason", (name) => {
    expect(() => load(name)).toThrowError(InputError);
    expect(() => load(name)).toThrowError(new RegExp(`^${name}\\.npy: expected .*, found `));
  });
  test("pickles are named as such", () => {
    expect(() => load("objects")).toThrowError(/a pickle/);
  });
});

describe("files that cannot be trusted", () => {
  test("a shape that does not match the bytes is refused before anything is allocated", () => {
    const huge = patched(bytesOf("float32 in C order"), "(2, 3)", "(9999999999, 3)");
    expect(() => readNpy(huge, "huge.npy")).toThrowError(/huge\.npy: declares 119999999988 bytes/);
    const overflowing = patched(bytesOf("float32 in C order"), "(2, 3)", "(9007199254740991, 9007199254740991, 0)");
    expect(() => readNpy(overflowing, "x.npy")).toThrowError(/no shape of a tensor/);
    const small = patched(bytesOf("float32 in C order"), "(2, 3)", "(2, 2)");
    expect(() => readNpy(small, "small.npy")).toThrowError(
      /small\.npy: expected 16 bytes of data for the shape \[2, 2\] of float32, found 24/,
    );
  });
  test("the limit counts all arrays that share it", () => {
    const budget = new Budget({ ...defaultLimits, totalBytes: 40 });
    readNpy(bytesOf("float32 in C order"), "a.npy", budget);
    expect(() => readNpy(bytesOf("float32 in C order"), "b.npy", budget)).toThrowError(
      /b\.npy: declares 24 bytes of data where 16 are left/,
    );
  });
  test("every truncation is an InputError", () => {
    for (const name of ["float32 in Fortran order", "format 2.0"] as const) {
      const whole = bytesOf(name);
      for (let length = 0; length < whole.length; length++)
        expect(() => readNpy(whole.subarray(0, length), "cut.npy")).toThrowError(InputError);
    }
  });
  test("every damaged byte gives an InputError or a tensor whose bytes fit its shape", () => {
    const whole = bytesOf("float32 in Fortran order");
    for (let at = 0; at < whole.length; at++)
      for (const flip of [0x01, 0x10, 0x80, 0xff]) {
        const damaged = Uint8Array.from(whole);
        damaged[at]! ^= flip;
        expectSound(() => readNpy(damaged, "damaged.npy"));
      }
  });
  test("headers that are no plain dict are refused", () => {
    const header = (text: string) => {
      const padded = `${text.padEnd(117)}\n`;
      return Uint8Array.from([0x93, ...Buffer.from("NUMPY"), 1, 0, padded.length, 0, ...Buffer.from(padded)]);
    };
    for (const text of [
      "",
      "{",
      "{'descr': '<f4'}",
      "{'descr': '<f4', 'fortran_order': 0, 'shape': ()}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': 1}",
      "{'descr': '<f4', 'descr': '<f4', 'shape': ()}",
      "{'descr': __import__('os'), 'fortran_order': False, 'shape': ()}",
      `{'descr': '<f4', 'fortran_order': False, 'shape': ${"(".repeat(40)}}`,
    ])
      expect(() => readNpy(header(text), "odd.npy"), text).toThrowError(InputError);
  });
});

describe("writing", () => {
  const values: TensorValue[] = [
    tensorOf("int64", [2, 2], [1n, -1n, 2n ** 62n, 0n]),
    tensorOf("float16", [3], [1, -2.5, 0.1]),
    tensorOf("bool", [], [1]),
    tensorOf("uint8", [4], [0, 1, 254, 255]),
    tensorOf("float64", [1, 0], []),
  ];
  test("what is written is read back, from a header that ends at a multiple of 64", () => {
    for (const value of values) {
      const bytes = writeNpy(value);
      expect((bytes.length - value.data.length) % 64).toBe(0);
      expect(readNpy(bytes, "again.npy")).toEqual(value);
    }
  });
  test("types that NumPy lacks are refused", () => {
    expect(() => writeNpy(tensorOf("bfloat16", [1], [1]))).toThrowError(/no type bfloat16/);
  });
});

describe("against NumPy itself", () => {
  const script = `
import numpy as np, sys, json, os
folder = sys.argv[1]
for i, t in enumerate(["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]):
    for order in "<>":
        a = (np.arange(24).reshape(2, 3, 4) % 7).astype(np.dtype(t).newbyteorder(order))
        np.save(f"{folder}/{i}{'lb'[order == '>']}c.npy", a)
        np.save(f"{folder}/{i}{'lb'[order == '>']}f.npy", np.asfortranarray(a))
a = np.load(f"{folder}/ours.npy", allow_pickle=False)
print(json.dumps([a.dtype.str, a.tolist()]))
`;
  test("every type, byte order and memory order is read the same, and NumPy reads what we write", (context) => {
    const interpreter = python(context, "numpy");
    const folder = mkdtempSync(join(tmpdir(), "halfscope-npy-"));
    try {
      writeFileSync(join(folder, "ours.npy"), writeNpy(tensorOf("float16", [2, 2], [1, 2.5, -3, 0.25])));
      const run = spawnSync(interpreter, ["-c", script, folder], { encoding: "utf8" });
      expect(run.stderr).toBe("");
      expect(JSON.parse(run.stdout)).toEqual([
        "<f2",
        [
          [1, 2.5],
          [-3, 0.25],
        ],
      ]);
      for (let i = 0; i < 14; i++) {
        const [first, ...others] = ["lc", "lf", "bc", "bf"].map((kind) =>
          readNpy(readFileSync(join(folder, `${i}${kind}.npy`)), `${i}${kind}`),
        );
        for (const other of others) expect(other).toEqual(first);
        expect(first!.dims).toEqual([2, 3, 4]);
        if (i > 0 && i < 12) expect(numbers(first!).map(Number)).toEqual(Array.from({ length: 24 }, (_, n) => n % 7));
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

function expectSound(read: () => TensorValue): void {
  let value: TensorValue;
  try {
    value = read();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return;
  }
  const width =
    value.data.length /
    Math.max(
      1,
      value.dims.reduce((n, d) => n * d, 1),
    );
  expect(Number.isInteger(width)).toBe(true);
}

/** The file with one piece of its header exchanged, padded to the same length. */
function patched(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const text = Buffer.from(bytes).toString("latin1");
  const end = text.indexOf("\n") + 1;
  const header = text
    .slice(10, end)
    .replace(from, to)
    .trimEnd()
    .padEnd(end - 11);
  return Buffer.from(`${text.slice(0, 10)}${header}\n${text.slice(end)}`, "latin1");
}
