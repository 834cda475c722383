/** FP16 products of an H200, bit for bit: what PyTorch and TensorRT gave, against a plain model and against the addon's kernels. */
import { switchHalfSums, switchHalfSumsExact, switchTensorCoreSums } from "@halfscope/core";
import { OrtSession } from "@halfscope/engine";
import { halfBits } from "@halfscope/precision";
import { describe, expect, test } from "vitest";
import { floats, floatValues, node, tinyModel } from "../support/tiny-model.js";
import {
  isConvolution,
  type MatrixProduct,
  type Operands,
  operandsOf,
  type Product,
  storedBits,
  storedProducts,
} from "./stored-products.js";
import { chain, splitChain } from "./tensor-core.js";

const pytorch = storedProducts("pytorch");
const tensorrt = storedProducts("tensorrt");

/** cuBLAS splits K where there are few rows (seen in the names of its kernels). */
const isSplit = (p: Product): boolean =>
  p.kernels.some((k) => k.startsWith("cublasLt::splitKreduce")) || (!isConvolution(p) && p.k === 8192 && p.sums === undefined);

type Element = (a: readonly number[], b: readonly number[]) => number;
const bitsOf = ({ rows, columns }: Operands, element: Element): number[] =>
  rows.flatMap((a) => columns.map((b) => halfBits(element(a, b))));
const halfChain: Element = (a, b) => chain(a, b, "float16");
const floatChain: Element = (a, b) => chain(a, b, "float32");
const idOf = (p: Product): string => [p.name, p.variant, p.sums].filter(Boolean).join(" ");
/** Many products are the same in their stored block. */
const modelled = new Map<string, number[]>();
function modelOf(p: Product, what: string, element: Element, blocks = false): number[] {
  const key = `${isConvolution(p) ? p.name : [p.k, Math.min(64, p.n), p.weights].join(" ")} ${what}`;
  const known = modelled.get(key) ?? bitsOf(operandsOf(p, blocks), element);
  modelled.set(key, known);
  return known;
}

describe("a plain model of the tensor cores gives every stored bit of", () => {
  test("PyTorch's products with FP16 sums: one accumulator, or eight that are added in FP16", () => {
    const found = pytorch.filter((p) => p.sums === "float16");
    expect(found.length).toBeGreaterThan(30);
    expect(found.filter(isSplit).length).toBeGreaterThanOrEqual(10);
    for (const p of found) {
      const bits = isSplit(p) ? modelOf(p, "8", (a, b) => splitChain(a, b, 8, "stretches")) : modelOf(p, "1", halfChain);
      expect(bits, idOf(p)).toEqual(storedBits(p));
    }
  });

  test("PyTorch's products and convolutions with FP32 sums, whatever their order", () => {
    const found = pytorch.filter((p) => p.sums === "float32");
    expect(found.length).toBeGreaterThan(40);
    for (const p of found) expect(modelOf(p, "32", floatChain), idOf(p)).toEqual(storedBits(p));
  });

  test("TensorRT's matrix products: one accumulator up to K = 4096, eight that take tiles in turn for K = 8192", () => {
    const found = tensorrt.filter((p): p is MatrixProduct => !isConvolution(p));
    expect(found.filter(isSplit).map((p) => p.name)).toEqual(["1x128x8192x1024"]);
    for (const p of found) {
      const bits = isSplit(p) ? modelOf(p, "8 tiles", (a, b) => splitChain(a, b, 8, "tiles")) : modelOf(p, "1", halfChain);
      expect(bits, idOf(p)).toEqual(storedBits(p));
    }
  });

  test("TensorRT's convolutions: FP16 sums over blocks of 64 channels, or FP32 kernels where it chose them", () => {
    const found = tensorrt.filter(isConvolution);
    const halves = found.filter((p) => p.kernels.some((k) => k.includes("f16f16_f16f16_f16")));
    expect(halves.map((p) => p.name)).toEqual(["conv3x3-128x128-28", "conv3x3-256x256-14"]);
    for (const p of found) {
      const bits = halves.includes(p) ? modelOf(p, "blocks", halfChain, true) : modelOf(p, "32", floatChain);
      expect(bits, idOf(p)).toEqual(storedBits(p));
    }
  });
});

/** The addon's product of the stored block's operands, by the position of its switch. */
async function addonBits(p: Product, position: number, pieces = 1): Promise<{ bits: number[]; values: Float32Array }> {
  const { rows, columns } = operandsOf(p);
  const depth = rows[0]?.length ?? 0;
  const model = tinyModel({
    inputs: [
      { name: "a", dims: [rows.length, depth] },
      { name: "b", dims: [depth, columns.length] },
    ],
    outputs: [{ name: "y", dims: [rows.length, columns.length] }],
    nodes: [node("Product", ["a", "b"], ["y"], { switch: 0, kind: 0, opset: 13, pieces }, "halfscope")],
  });
  const options = { folder: "", threads: 1, optimization: "disabled", prepacking: false, switchCount: 1, slotCount: 0 } as const;
  await using session = await OrtSession.create({ model, ...options });
  session.setFeed("a", floats(Float32Array.from(rows.flat()), [rows.length, depth]));
  session.setFeed(
    "b",
    floats(
      Float32Array.from({ length: depth * columns.length }, (_, i) => columns[i % columns.length]?.[Math.floor(i / columns.length)] ?? 0),
      [depth, columns.length],
    ),
  );
  const { outputs } = await session.run({ switches: Uint8Array.of(position), fetch: ["y"] });
  const values = floatValues(outputs.get("y"));
  return { bits: Array.from(values, (v) => halfBits(v)), values };
}

const unsplit = pytorch.filter((p) => p.variant === "k-by-n" && p.sums === "float16" && !isSplit(p));
const inFloat = pytorch.filter((p) => p.variant === "k-by-n" && p.sums === "float32" && !isConvolution(p));

describe("the addon", () => {
  test("gives every stored bit of unsplit products to K = 4096 with the exact model", async () => {
    expect(Math.max(...unsplit.map((p) => operandsOf(p).rows[0]?.length ?? 0))).toBe(4096);
    for (const p of unsplit) expect((await addonBits(p, switchHalfSumsExact)).bits, idOf(p)).toEqual(storedBits(p));
  });

  test("gives every stored bit of what cuBLAS splits over eight accumulators", async () => {
    const split = pytorch.filter((p) => p.variant === "k-by-n" && p.sums === "float16" && isSplit(p));
    expect(split.length).toBeGreaterThanOrEqual(5);
    for (const p of split) expect((await addonBits(p, switchHalfSumsExact, 8)).bits, idOf(p)).toEqual(storedBits(p));
  });

  test("gives every stored bit of products with FP32 sums as tensor cores cut them", async () => {
    for (const p of inFloat) expect((await addonBits(p, switchTensorCoreSums)).bits, idOf(p)).toEqual(storedBits(p));
  });

  test("errs as much with the fast model as the chip does", async () => {
    let fast = 0;
    let exact = 0;
    for (const p of unsplit) {
      const { rows, columns } = operandsOf(p);
      const truth = rows.flatMap((a) => columns.map((b) => a.reduce((sum, x, k) => sum + x * (b[k] ?? 0), 0)));
      const error = (values: Float32Array) => values.reduce((sum, v, i) => sum + Math.abs(v - (truth[i] ?? 0)), 0) / p.meanAbs;
      fast += error((await addonBits(p, switchHalfSums)).values);
      exact += error((await addonBits(p, switchHalfSumsExact)).values);
    }
    expect(fast / exact).toBeGreaterThan(0.98);
    expect(fast / exact).toBeLessThan(1.02);
  });
});
