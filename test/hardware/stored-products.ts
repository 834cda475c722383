/** What PyTorch and TensorRT gave for products of an H200, and the operands of the stored blocks. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bell, hashValue, small } from "./hash-values.js";

interface Measured {
  readonly name: string;
  readonly kernels: readonly string[];
  /** Errors over the whole result against the FP64 product. */
  readonly meanAbs: number;
  readonly maxAbs: number;
  readonly rmsExact: number;
  /** Hex of the FP16 bits of four rows and up to 64 columns. */
  readonly block: string;
  /** PyTorch only. */
  readonly variant?: string;
  readonly sums?: "float16" | "float32";
}
export interface MatrixProduct extends Measured {
  readonly batch: number;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly weights: boolean;
}
export interface Convolution extends Measured {
  readonly inputs: number;
  readonly outputs: number;
  readonly size: number;
  readonly kernel: number;
}
export type Product = MatrixProduct | Convolution;
export const isConvolution = (p: Product): p is Convolution => "kernel" in p;

export function storedProducts(engine: "pytorch" | "tensorrt"): readonly Product[] {
  const path = join(import.meta.dirname, "products-h200", `${engine}.json`);
  return (JSON.parse(readFileSync(path, "utf8")) as { products: Product[] }).products;
}

export const storedBits = ({ block }: Measured): number[] => (block.match(/.{4}/g) ?? []).map((word) => Number.parseInt(word, 16));

/** Factors along K. */
export interface Operands {
  readonly rows: readonly (readonly number[])[];
  readonly columns: readonly (readonly number[])[];
}
const list = <T>(length: number, value: (i: number) => T): T[] => Array.from({ length }, (_, i) => value(i));

/**
 * Operands of the stored block: four rows, up to 64 columns. A convolution's rows are the pixels (1, 1) to (1, 4) and its factors go in the order input channel, filter row, filter column,
 * or, with `blocks`, as TensorRT's kernels take them: block of 64 channels, filter position, channel.
 */
export function operandsOf(p: Product, blocks = false): Operands {
  if (!isConvolution(p)) {
    const kind = p.weights ? small : bell;
    return {
      rows: list(4, (r) => list(p.k, (k) => hashValue(bell, 0, r, k))),
      columns: list(Math.min(64, p.n), (c) => list(p.k, (k) => hashValue(kind, 1, c, k))),
    };
  }
  const { inputs, kernel, size } = p;
  const half = kernel >> 1;
  const positions = kernel * kernel;
  const order = list(inputs * positions, (i) => ({ c: Math.floor(i / positions), at: i % positions }));
  if (blocks) order.sort((x, y) => (x.c >> 6) - (y.c >> 6) || x.at - y.at || x.c - y.c);
  return {
    rows: list(4, (r) =>
      order.map(({ c, at }) => hashValue(bell, 0, c, (1 + Math.floor(at / kernel) - half) * size + (1 + r + (at % kernel) - half))),
    ),
    columns: list(Math.min(64, p.outputs), (o) => order.map(({ c, at }) => hashValue(small, 1, o, c * positions + at))),
  };
}
