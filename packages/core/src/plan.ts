/** Layers that stay in FP32, with the reason and the evidence for each. */
export interface Pin {
  /** Id of the layer. */
  layer: string;
  reason: string;
  /** Measured numbers: for instance `{ outputErrorRemoved: 0.004 }`. Free form, shown in the report. */
  evidence?: Readonly<Record<string, number | string>>;
}

/** Type that a candidate computes in where it is not in FP32. */
export type HalfType = "float16" | "bfloat16";
/** What people call it. */
export const halfWords: Readonly<Record<HalfType, "FP16" | "BF16">> = { float16: "FP16", bfloat16: "BF16" };
/** The word for what a result's candidate computes in. */
export const wordOf = ({ options }: { options: { precision?: HalfType } }): "FP16" | "BF16" => halfWords[options.precision ?? "float16"];

/**
 * What conversion does to a finite weight or constant beyond the type's range (65504 for FP16, 3.39e38 for bfloat16): `overflow` writes Infinity as a
 * plain cast does, `finite` the largest number of the type.
 */
export type ConstantPolicy = "overflow" | "finite";

/** A default precision plus pins, for one model. */
export interface PrecisionPlan {
  modelDigest: string;
  defaultPrecision: HalfType | "float32";
  constants: ConstantPolicy;
  pins: readonly Pin[];
}

/** The plan as an editable file, `overrides.json`. */
export interface Overrides extends PrecisionPlan {
  schema: "halfscope/overrides/1";
  /** For people; not used. */
  model?: string;
  note?: string;
}

export type SiteKind = "activation" | "weight" | "input" | "accumulation";

/** One place where FP16 takes effect. Sites are disjoint: each rounding belongs to exactly one. */
export interface Site {
  /** `activation:TENSOR`, `weight:TENSOR`, `input:TENSOR` or `accumulation:TENSOR`. */
  id: string;
  kind: SiteKind;
  /** The tensor that is rounded: the output of a computing node, an initializer, or a graph input. For an accumulation, the product's output. */
  tensor: string;
  /** The layer it is charged to: the producer's, for a weight its first consumer's, for a graph input none. */
  layer: string | undefined;
  /** All layers that must be pinned before the site vanishes: producer and every computing consumer. */
  touching: readonly string[];
}

/**
 * A switchable rounding in the candidate branch. Values of its switch: 0 off, 1 round to FP16, 2 the same with finite values kept finite, 3 round to
 * bfloat16, 4 the same with finite values kept finite. All to nearest even, with subnormals; what is not kept finite overflows to Infinity.
 *
 * `tensor` placements round a tensor once for everyone who reads it (the output of a node, a weight, a graph input); `edge` placements only what
 * one input of one node sees. `product` placements say how one MatMul, Gemm or Conv sums: 0 as ONNX Runtime does in FP32, 5 in FP16 (fast model), 6 in FP16 as
 * the chip does bit for bit, 7 in FP32 as tensor cores do.
 */
export interface Placement {
  readonly at: "tensor" | "edge" | "product";
  /** Site that the rounding belongs to. */
  readonly site: string;
  readonly tensor: string;
  /** Edges: the computing node (by index) and its input. Products: the node, and -1. */
  readonly consumer?: { readonly node: number; readonly input: number };
  /** Products only. */
  readonly sums?: ProductSums;
}

/** Chips whose tensor cores are modelled; each adds other numbers of products at once. */
export type Chip = "volta" | "ampere" | "hopper" | "blackwell";
export const chips: readonly Chip[] = ["volta", "ampere", "hopper", "blackwell"];

/** How a product sums where it does not sum as ONNX Runtime's FP32 kernel does. */
export interface ProductSums {
  /** Value of its switch when it is on. */
  readonly position: typeof switchHalfSums | typeof switchHalfSumsExact | typeof switchTensorCoreSums;
  /** Products along K that are added before the accumulator is rounded. */
  readonly chunk: number;
  /** Accumulators that K is split over; their sums are added one after the other, in the accumulator's type. */
  readonly pieces: number;
  readonly chip: Chip;
}
export const switchOff = 0;
export const switchRound = 1;
export const switchRoundFinite = 2;
export const switchRoundBfloat16 = 3;
export const switchRoundBfloat16Finite = 4;
export const switchHalfSums = 5;
export const switchHalfSumsExact = 6;
export const switchTensorCoreSums = 7;
