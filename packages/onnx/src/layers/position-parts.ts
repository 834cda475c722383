import type { GraphView } from "../graph-view.js";
import type { Node } from "../types.js";
import { Scan } from "./scan.js";

/** Angles that Sin and Cos are taken of. */
export interface Angles {
  readonly tensor: string;
  /** The Sin and Cos nodes that read them, through any movers. */
  readonly waves: readonly Node[];
  /** The positions that they are made of, as floats: the output of a Cast, Range or CumSum; undefined where none is found. */
  readonly positions?: string;
}

/** An integer that is computed with as a float, and made an integer again. */
export interface FloatIndex {
  /** The Cast back to integers. */
  readonly cast: Node;
  /** Float tensors between the two casts, the one that becomes integers first. */
  readonly tensors: readonly string[];
}

const integers: ReadonlySet<string> = new Set(["int64", "int32", "uint8", "int8", "uint16", "int16", "uint32", "uint64"]);

/** Angles by tensor: a rotary or sinusoidal position embedding has one for its sine and its cosine. */
export function anglesOf(view: GraphView): Angles[] {
  const scan = Scan.of(view);
  const found = new Map<string, Node[]>();
  for (const node of view.order)
    if (node.domain === "" && (node.opType === "Sin" || node.opType === "Cos") && !scan.isConstant(node.inputs[0])) {
      const source = computedSource(scan, node.inputs[0] ?? "");
      found.set(source, [...(found.get(source) ?? []), node]);
    }
  return [...found].map(([tensor, waves]) => {
    const positions = search(scan, tensor, arithmetic, (t) => isPosition(scan, t)).end;
    return { tensor, waves, ...(positions !== undefined && { positions }) };
  });
}

/** Casts to integers of what was an integer before: sizes and indices that are computed as floats. */
export function floatIndices(view: GraphView): FloatIndex[] {
  const scan = Scan.of(view);
  return view.order.flatMap((cast) => {
    if (cast.domain !== "" || cast.opType !== "Cast" || !integers.has(scan.dtypes.get(cast.outputs[0] ?? "") ?? "")) return [];
    const from = cast.inputs[0] ?? "";
    if (scan.isConstant(from) || !scan.mayBeFloat(from) || scan.dtypes.get(from) === undefined) return [];
    const { end, passed } = search(scan, from, new Set([...arithmetic, ...rounding]), (t) => isFromInteger(scan, t));
    return end === undefined ? [] : [{ cast, tensors: passed }];
  });
}

const movers = new Set([
  "Reshape",
  "Transpose",
  "Unsqueeze",
  "Squeeze",
  "Expand",
  "Concat",
  "Identity",
  "Slice",
  "Tile",
  "Flatten",
  "Gather",
  "Split",
]);
const arithmetic: ReadonlySet<string> = new Set([
  ...movers,
  "Mul",
  "Div",
  "Add",
  "Sub",
  "MatMul",
  "Gemm",
  "Einsum",
  "Cast",
  "Neg",
  "Where",
  "Clip",
]);
const rounding = ["Floor", "Ceil", "Round", "Max", "Min", "Mod", "Sqrt", "Pow", "Abs", "ReduceMax", "ReduceMin"];

/** Where the values were computed, through movers with one source. */
function computedSource(scan: Scan, tensor: string): string {
  let at = tensor;
  for (let i = 0; i < 20; i++) {
    const node = scan.producer(at);
    if (node === undefined || node.domain !== "" || (!movers.has(node.opType) && node.opType !== "Cast")) return at;
    const sources = new Set(node.opType === "Concat" ? node.inputs : node.inputs.slice(0, 1));
    const [only] = sources;
    if (sources.size !== 1 || only === undefined || !scan.mayBeFloat(only) || scan.isConstant(only)) return at;
    if (integers.has(scan.dtypes.get(only) ?? "")) return at;
    at = only;
  }
  return at;
}

/** Walks back from a tensor through some operators to the first that `isEnd` accepts. Breadth first, and not far: patterns are small. */
function search(
  scan: Scan,
  tensor: string,
  through: ReadonlySet<string>,
  isEnd: (tensor: string) => boolean,
): { end: string | undefined; passed: string[] } {
  const pending = [tensor];
  const passed: string[] = [];
  const seen = new Set<string>();
  for (let at = pending.shift(); at !== undefined; at = pending.shift()) {
    if (at === "" || seen.has(at) || seen.size > 60 || scan.isConstant(at)) continue;
    seen.add(at);
    passed.push(at);
    if (isEnd(at)) return { end: at, passed };
    const node = scan.producer(at);
    if (node !== undefined && node.domain === "" && through.has(node.opType)) pending.push(...node.inputs);
  }
  return { end: undefined, passed };
}

const isPosition = (scan: Scan, tensor: string): boolean =>
  isFromInteger(scan, tensor) || scan.made(tensor, "Range", "CumSum") !== undefined;

/** A Cast from integers, or a Range of floats. */
function isFromInteger(scan: Scan, tensor: string): boolean {
  const cast = scan.made(tensor, "Cast");
  if (cast !== undefined) return scan.mayBeFloat(tensor) && integers.has(scan.dtypes.get(cast.inputs[0] ?? "") ?? "");
  return scan.made(tensor, "Range") !== undefined && scan.mayBeFloat(tensor) && scan.dtypes.get(tensor) !== undefined;
}
