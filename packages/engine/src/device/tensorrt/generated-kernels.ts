import type { DType, EngineLayer, EngineTensor } from "@halfscope/core";

type Facts = Pick<EngineLayer, "name" | "tactic" | "inputs" | "outputs">;

/** Operators that the name of a generated kernel lists in their order, three letters each (`__myl_AddMeaSub...`); undefined for other kernels. */
export function operatorsOf({ name, tactic }: Pick<Facts, "name" | "tactic">): string[] | undefined {
  const listed = /__myl_((?:[A-Z][a-z0-9]{2})+)/.exec(tactic ?? "") ?? /__myl_((?:[A-Z][a-z0-9]{2})+)/.exec(name);
  return listed?.[1]?.match(/[A-Z][a-z0-9]{2}/g) ?? undefined;
}

/** Casts between floats that neither an integer input nor an output of another type accounts for: they lead into another type and out of it. */
export function castsInside(layer: Facts): number {
  const operators = operatorsOf(layer) ?? [];
  const trailing = operators.length - 1 - operators.findLastIndex((op) => op !== "Cas");
  const casts = operators.filter((op) => op === "Cas").length;
  return Math.max(0, casts - trailing - layer.inputs.filter((t) => isInteger(t.dtype)).length);
}

/**
 * Operators of a generated kernel by what they run in, as far as the casts in its name tell: it starts in the float type of its inputs, every run of casts
 * changes it, and those at the end only convert outputs (a marked tensor is given out in FP32). So `AddDivCasErfCasAddMul` over FP16 inputs runs Erf alone in
 * FP32. Undefined for other kernels, and where inputs are of both types.
 */
export function operatorsByType(layer: Facts): { full: string[]; half: string[] } | undefined {
  const operators = operatorsOf(layer);
  const start = onlyFloat(layer.inputs);
  if (operators === undefined || start === undefined) return undefined;
  const integers = layer.inputs.filter((t) => isInteger(t.dtype)).length;
  const sorted: { full: string[]; half: string[] } = { full: [], half: [] };
  let inFull = start === "float32";
  // Casts in front of everything else turn integers into floats first.
  let [run, expected] = [0, integers];
  for (const op of operators)
    if (op === "Cas") run++;
    else {
      if (run > expected) inFull = !inFull;
      sorted[inFull ? "full" : "half"].push(op);
      [run, expected] = [0, 0];
    }
  return sorted;
}

/** Letters that stand for an operator; several for those that are written out. Undefined where it is not known. */
export const lettersOf = (opType: string): readonly string[] | undefined => letters[opType];

// Seen in inspector output of TensorRT 10.6; the square inside a normalization is a product.
const letters: Readonly<Record<string, readonly string[]>> = {
  Add: ["Add"],
  Sub: ["Sub"],
  Mul: ["Mul"],
  Div: ["Div"],
  Pow: ["Mul"],
  Sqrt: ["Sqr"],
  Erf: ["Erf"],
  Exp: ["Exp"],
  Tanh: ["Tan"],
  ReduceMean: ["Mea"],
  ReduceSum: ["Sum"],
  ReduceMax: ["Max"],
  Max: ["Max"],
  Softmax: ["Max", "Sub", "Exp", "Sum", "Div"],
};

const products: ReadonlySet<string> = new Set(["MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum"]);

/**
 * Whether an engine layer can compute a node of this operator. A generated kernel names what it computes; TensorRT's metadata adds nodes of whose inputs it only makes the cast or
 * another shape (on 10.6 a pinned MatMul stands in the kernel in front of its product, too). Where the name tells nothing, it can.
 */
export function canCompute(layer: Pick<Facts, "name" | "tactic">, opType: string): boolean {
  const listed = operatorsOf(layer);
  if (listed === undefined) return true;
  // No name that lists pointwise operators and reductions was seen on a kernel that multiplies matrices.
  if (products.has(opType)) return !listed.every((op) => pointwise.has(op));
  const wanted = lettersOf(opType);
  return wanted === undefined || wanted.some((w) => listed.includes(w));
}

// As far as they were seen.
const pointwise: ReadonlySet<string> = new Set([...Object.values(letters).flat(), "Cas", "Res", "Tra", "Sli", "Gat", "Cop", "Mov"]);

export const isInteger = (dtype: DType | "unknown"): boolean => /^(u?int|bool)/.test(dtype);

/** Type of all float tensors, where they are of one; scale factors of products (`..._alpha`, `..._beta`, always FP32) do not count. */
export function onlyFloat(tensors: readonly EngineTensor[]): "float32" | "float16" | "bfloat16" | undefined {
  const [first, second] = floatsOf(tensors);
  return second === undefined ? first : undefined;
}

export function floatsOf(tensors: readonly EngineTensor[]): Set<"float32" | "float16" | "bfloat16"> {
  const counting = tensors.filter((t) => !/_(alpha|beta)$/.test(t.name)).map((t) => t.dtype);
  return new Set(counting.filter((d) => d === "float32" || d === "float16" || d === "bfloat16"));
}
