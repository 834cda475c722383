import { switchHalfSums } from "@halfscope/core";
import { describe, expect, test } from "vitest";
import { floats, floatValues, node, tinyModel } from "../../../test/support/tiny-model.js";
import { OrtSession, type SessionOptions } from "./addon.js";
import { halfSum, toHalf } from "./testing/plain-products.js";

type Attributes = NonNullable<Parameters<typeof node>[3]>;
interface Case {
  op: "MatMul" | "Gemm" | "Conv";
  dims: readonly (readonly number[])[];
  attributes?: Attributes;
}
const kinds = { MatMul: 0, Gemm: 1, Conv: 2 };

/** Values that are FP16 already, of both signs. */
const halves = (count: number, seed: number, scale = 1): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => toHalf(Math.sin(i * 1.37 + seed * 0.71) * scale));
const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);
const open = (model: Uint8Array, more: Partial<SessionOptions> = {}): Promise<OrtSession> =>
  OrtSession.create({ model, folder: "", threads: 2, optimization: "disabled", prepacking: false, switchCount: 2, slotCount: 0, ...more });

/** The plain node's output is "y", the Product's "z". */
function both({ op, dims, attributes = {} }: Case, own: Attributes = {}): Uint8Array {
  const names = ["a", "b", "c"].slice(0, dims.length);
  return tinyModel({
    inputs: names.map((name, i) => ({ name, dims: dims[i] ?? [] })),
    outputs: [
      { name: "y", dims: ["?"] },
      { name: "z", dims: ["?"] },
    ].map(({ name }) => ({ name, dims: Array.from({ length: 0 }, () => 0) })),
    nodes: [
      node(op, names, ["y"], attributes),
      node("Product", names, ["z"], { switch: 0, kind: kinds[op], opset: 13, ...attributes, ...own }, "halfscope"),
    ],
  });
}

async function runBoth(
  of: Case,
  inputs: readonly Float32Array[],
  position: number,
  own: Attributes = {},
  more: Partial<SessionOptions> = {},
) {
  await using session = await open(both(of, own), more);
  of.dims.forEach((dims, i) => {
    session.setFeed("abc"[i] ?? "", floats(inputs[i] ?? new Float32Array(), dims));
  });
  const { outputs } = await session.run({ switches: Uint8Array.of(position, 0), fetch: ["y", "z"] });
  return { plain: outputs.get("y"), own: outputs.get("z") };
}
const inputsOf = ({ dims }: Case): Float32Array[] => dims.map((d, i) => halves(product(d), i));

describe("Product", () => {
  const cases: Case[] = [
    {
      op: "MatMul",
      dims: [
        [5, 37],
        [37, 19],
      ],
    },
    { op: "Gemm", dims: [[5, 37], [37, 19], [19]] },
    { op: "Conv", dims: [[2, 6, 9, 11], [4, 3, 3, 3], [4]], attributes: { group: 2, pads: [1, 1, 1, 1], strides: [2, 1] } },
  ];
  test.each(cases)("off gives the bits of the plain $op", async (of) => {
    const { plain, own } = await runBoth(of, inputsOf(of), 0);
    expect(own).toEqual(plain);
  });

  test("sums in FP16", async () => {
    const of: Case = {
      op: "MatMul",
      dims: [
        [5, 37],
        [37, 19],
      ],
    };
    const [a = new Float32Array(), b = new Float32Array()] = inputsOf(of);
    const { own } = await runBoth(of, [a, b], switchHalfSums);
    const expected = Float32Array.from({ length: 95 }, (_, i) =>
      halfSum(Array.from({ length: 37 }, (_unused, k) => [a[Math.floor(i / 19) * 37 + k] ?? 0, b[k * 19 + (i % 19)] ?? 0])),
    );
    expect(floatValues(own)).toEqual(expected);
  });
});
