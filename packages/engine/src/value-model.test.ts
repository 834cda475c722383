import { type FeedValue, type OptionalValue, type SequenceValue, stringsOf, stringTensor, type TensorValue } from "@halfscope/core";
import onnxProto from "onnx-proto";
import { describe, expect, test } from "vitest";
import { OrtSession } from "./addon.js";

const { onnx } = onnxProto;
type Type = onnxProto.onnx.ITypeProto;
const tensorType = (elemType: number): Type => ({ tensorType: { elemType } });

/** Runs one node on `value`; the output's type is left to ONNX Runtime. */
async function run(opType: string, type: Type, value: FeedValue, version = 17) {
  const model = onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: "", version }],
    graph: { name: "g", node: [{ opType, input: ["x"], output: ["y"] }], input: [{ name: "x", type }], output: [{ name: "y" }] },
  }).finish();
  using session = await OrtSession.create({
    model,
    folder: "",
    threads: 1,
    optimization: "disabled",
    prepacking: false,
    switchCount: 0,
    slotCount: 0,
  });
  session.setFeed("x", value);
  // Twice: what was fed must outlive a run.
  await session.run({ fetch: ["y"] });
  return session.run({ fetch: ["y"] });
}
const floats = (...values: number[]): TensorValue => ({
  dtype: "float32",
  dims: [values.length],
  data: new Uint8Array(Float32Array.from(values).buffer),
});
const sequenceType: Type = { sequenceType: { elemType: tensorType(1) } };
const sequence = (...elements: TensorValue[]): SequenceValue => ({ kind: "sequence", dtype: "float32", elements });
const flag = (result: Awaited<ReturnType<typeof run>>) => [...(result.outputs.get("y")?.data ?? [])];

describe("values that are no plain tensors go in and come out", () => {
  test("texts, empty and beyond ASCII, of several dimensions", async () => {
    const texts = ["größer", "", "a\u0000b", "日本"];
    const { outputs } = await run("Identity", tensorType(8), stringTensor([2, 2], texts));
    expect(outputs.get("y")).toMatchObject({ dtype: "string", dims: [2, 2] });
    expect(stringsOf(outputs.get("y")!)).toEqual(texts);
    const none = await run("Identity", tensorType(8), stringTensor([0], []));
    expect(none.outputs.get("y")).toMatchObject({ dims: [0], data: new Uint8Array(0) });
  });
  test("sequences of tensors of different shapes, and empty ones", async () => {
    const { sequences } = await run("Identity", sequenceType, sequence(floats(1, 2), floats(3)));
    expect(sequences.get("y")).toEqual(sequence(floats(1, 2), floats(3)));
    const empty = await run("Identity", sequenceType, sequence());
    expect(empty.sequences.get("y")?.elements).toEqual([]);
    const length = await run("SequenceLength", sequenceType, sequence());
    expect(length.outputs.get("y")?.data).toEqual(new Uint8Array(8));
  });
  test("optionals with a tensor, with a sequence, and without a value", async () => {
    const optional = (of: OptionalValue["of"], value: OptionalValue["value"]): OptionalValue => ({
      kind: "optional",
      of,
      dtype: "float32",
      value,
    });
    const ofTensor: Type = { optionalType: { elemType: tensorType(1) } };
    const ofSequence: Type = { optionalType: { elemType: sequenceType } };
    expect(flag(await run("OptionalHasElement", ofTensor, optional("tensor", floats(1)), 15))).toEqual([1]);
    expect(flag(await run("OptionalHasElement", ofTensor, optional("tensor", undefined), 15))).toEqual([0]);
    expect(flag(await run("OptionalHasElement", ofSequence, optional("sequence", undefined), 15))).toEqual([0]);
    const inside = await run("OptionalGetElement", ofSequence, optional("sequence", sequence(floats(7))), 15);
    expect(inside.sequences.get("y")).toEqual(sequence(floats(7)));
  });
  test.each([
    ["int4", 22, 21],
    ["uint4", 21, 21],
  ] as const)("packed %s", async (dtype, number, opset) => {
    const value = { dtype, dims: [3], data: Uint8Array.of(0x21, 0x0f) };
    expect((await run("Transpose", tensorType(number), value, opset)).outputs.get("y")).toEqual(value);
  });
  test("bfloat16", async () => {
    const value: TensorValue = { dtype: "bfloat16", dims: [2], data: Uint8Array.of(0x80, 0x3f, 0, 0xc0) };
    expect((await run("Identity", tensorType(16), value)).outputs.get("y")).toEqual(value);
  });
  test("a value of another type is refused in ONNX Runtime's words", async () => {
    await expect(run("Identity", sequenceType, { kind: "sequence", dtype: "int64", elements: [] })).rejects.toMatchObject({
      code: expect.stringMatching(/ERR_ENGINE_RUN|ERR_FEED/),
    });
  });
});
