import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { seeded, temporaryFolder } from "../../../test/support/model-file.js";
import { ropeBytes } from "../../../test/support/rope-bytes.js";
import { block, fixed32, fixed64, packed, varintField } from "../../../test/support/wire.js";
import { readInitializer } from "./external-data.js";
import { readModel } from "./read-model.js";
import { rewriteModel } from "./rewrite.js";
import type { Initializer, Model } from "./types.js";

const folder = temporaryFolder();
const path = join(folder, "m.onnx");
const reader = block(1, [block(1, "t"), block(2, "y"), block(4, "Identity")]);

async function modelWith(tensor: readonly Uint8Array[]): Promise<Model> {
  writeFileSync(
    path,
    Buffer.concat([varintField(1, 8), block(7, [reader, block(5, [...tensor, block(8, "t")]), block(12, block(1, "y"))])]),
  );
  return readModel(path);
}
async function tensorOf(...tensor: Uint8Array[]): Promise<Initializer> {
  const [initializer] = (await modelWith(tensor)).graph.initializers;
  if (initializer === undefined) throw new Error("no initializer");
  return initializer;
}
const type = (n: number) => varintField(2, n);
const little = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");
const max64 = 2n ** 63n - 1n;

describe("values of a tensor, as little-endian bytes", () => {
  it.each<[string, Uint8Array[], string]>([
    ["float32, packed", [type(1), block(4, little("0000803f 00000040"))], "0000803f 00000040"],
    ["float32, one by one", [type(1), fixed32(4, 1), fixed32(4, 2)], "0000803f 00000040"],
    ["float32, packed and one by one", [type(1), block(4, little("0000803f")), fixed32(4, 2)], "0000803f 00000040"],
    ["float64, packed", [type(11), block(10, little("000000000000f03f"))], "000000000000f03f"],
    ["float64, one by one", [type(11), fixed64(10, [0, 0, 0, 0, 0, 0, 0xf0, 0x3f])], "000000000000f03f"],
    [
      "int64, the largest and the smallest",
      [type(7), packed(7, [max64, -(2n ** 63n), -1])],
      "ffffffffffffff7f 0000000000000080 ffffffffffffffff",
    ],
    ["int64, one by one", [type(7), varintField(7, max64), varintField(7, -2)], "ffffffffffffff7f feffffffffffffff"],
    ["uint64, the largest", [type(13), packed(11, [2n ** 64n - 1n])], "ffffffffffffffff"],
    ["uint32, the largest", [type(12), packed(11, [2 ** 32 - 1])], "ffffffff"],
    ["int32", [type(6), packed(5, [-1, 2 ** 31 - 1])], "ffffffff ffffff7f"],
    ["int16", [type(5), packed(5, [-2, 300])], "feff 2c01"],
    ["uint16", [type(4), packed(5, [65535])], "ffff"],
    ["int8", [type(3), packed(5, [-128, 127])], "80 7f"],
    ["uint8", [type(2), packed(5, [255, 0])], "ff 00"],
    ["bool", [type(9), packed(5, [1, 0, 1])], "01 00 01"],
    ["float16 as bits", [type(10), packed(5, [0x3c00, 0xfc00])], "003c 00fc"],
    ["bfloat16 as bits", [type(16), packed(5, [0x3f80])], "803f"],
    ["float8", [type(17), packed(5, [0x7e])], "7e"],
    ["float8e8m0", [type(24), packed(5, [0x7f, 0x80])], "7f 80"],
    ["complex64, packed", [type(14), block(4, little("0000803f 00000040"))], "0000803f 00000040"],
    ["complex64, one by one", [type(14), fixed32(4, 1), fixed32(4, 2)], "0000803f 00000040"],
    ["complex128", [type(15), block(10, little("000000000000f03f 0000000000000040"))], "000000000000f03f 0000000000000040"],
    ["int4, two in a byte", [type(22), varintField(1, 3), packed(5, [0x21, 0x0f])], "21 0f"],
    ["uint4, raw", [type(21), varintField(1, 3), block(9, little("210f"))], "21 0f"],
    ["float4e2m1", [type(23), varintField(1, 2), packed(5, [0xfe])], "fe"],
    ["uint2, four in a byte", [type(25), varintField(1, 5), packed(5, [0xe4, 0x03])], "e4 03"],
    ["int2, raw", [type(26), varintField(1, 4), block(9, little("e4"))], "e4"],
    // 1 | 2 << 6 | 3 << 12 | 63 << 18, then 33 alone.
    ["float6e2m3, one by one, packed four in three bytes", [type(27), varintField(1, 5), packed(5, [1, 2, 3, 63, 33])], "8130fc 21"],
    ["a type of the future, raw", [type(99), block(9, little("0102"))], "01 02"],
    ["raw data", [type(6), block(9, little("01020304"))], "01020304"],
  ])("%s", async (_, tensor, expected) => {
    expect(Buffer.from(await readInitializer(await tensorOf(...tensor))).toString("hex")).toBe(expected.replaceAll(" ", ""));
  });

  it.each([
    ["strings", 8, [block(6, "a"), block(6, "b")]],
    ["a type of the future", 99, [packed(5, [1])]],
  ])("%s are kept and named as what cannot be read", async (_, number, values) => {
    const initializer = await tensorOf(type(number), ...values);
    expect(initializer.elementType).toBe(number);
    await expect(readInitializer(initializer)).rejects.toMatchObject({
      code: "ERR_MODEL_UNSUPPORTED",
      message: expect.stringContaining('"t"'),
    });
  });

  it("of several long packed runs are put together", async () => {
    const run = (start: number) => Float32Array.from({ length: 500 }, (_, i) => start + i);
    const bytes = (v: Float32Array) => new Uint8Array(v.buffer);
    const initializer = await tensorOf(type(1), block(4, bytes(run(0))), block(4, bytes(run(500))), varintField(1, 1000));
    expect(new Float32Array(Uint8Array.from(await readInitializer(initializer)).buffer)).toEqual(
      Float32Array.from({ length: 1000 }, (_, i) => i),
    );
  });
});

describe("the shape of a tensor", () => {
  it.each([
    ["packed", [packed(1, [2, 300, 4])], [2, 300, 4]],
    ["one by one", [varintField(1, 2), varintField(1, 300)], [2, 300]],
    ["both ways", [packed(1, [2, 3]), varintField(1, 4)], [2, 3, 4]],
    ["none: a scalar", [], []],
  ])("is read %s", async (_, dims, expected) => {
    expect((await tensorOf(type(1), ...dims)).dims).toEqual(expected);
  });

  it("must not be negative", async () => {
    await expect(tensorOf(type(1), varintField(1, -3))).rejects.toMatchObject({
      code: "ERR_MODEL_PARSE",
      message: expect.stringContaining("-3"),
    });
  });
});

describe("large values", () => {
  it("of a tensor lie in the file, byte for byte, as raw data and as packed floats", async () => {
    const random = seeded(3);
    const values = Uint8Array.from({ length: 40_000 }, () => Math.floor(random() * 256));
    for (const field of [9, 4]) {
      const model = await modelWith([type(1), packed(1, [100, 100]), block(field, values)]);
      const [initializer] = model.graph.initializers;
      expect(initializer?.data).toMatchObject({ kind: "file", external: false, span: { path, length: 40_000 } });
      expect(Buffer.from(await readInitializer(initializer!)).equals(values)).toBe(true);
      expect((await ropeBytes(rewriteModel(model))).equals(await ropeBytes([{ path, offset: 0, length: model.sizeBytes }]))).toBe(true);
    }
  });

  it("of strings stay with their field, so that an engine can be given them", async () => {
    const strings = Array.from({ length: 400 }, (_, i) => block(6, `word ${i}`));
    const initializer = await tensorOf(type(8), packed(1, [400]), ...strings);
    expect(initializer.field.payload).toBeInstanceOf(Uint8Array);
  });
});
