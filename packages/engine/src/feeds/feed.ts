import {
  type DType,
  type FeedSummary,
  type FeedValue,
  isTensorValue,
  type OptionalValue,
  type SequenceValue,
  type TensorValue,
} from "@halfscope/core";
import type { ContainerType, Dimension, GraphView } from "@halfscope/onnx";
import { type IdTable, traceIds } from "./trace-ids.js";

/** One sample: a value for every graph input, and where each came from. Maps are in the order of the graph's inputs. */
export interface Feed {
  tensors: Map<string, FeedValue>;
  /** For people and for `result.json`: a file, or "made up: ...". */
  origins: Map<string, string>;
}

/** What a graph input must look like. A `ValueInfo` of the reader is one. */
export interface FeedInput {
  readonly name: string;
  readonly dtype: DType;
  /** undefined when the model gives no shape: then every shape is accepted. */
  readonly dims: readonly Dimension[] | undefined;
  /** What it is where it is no tensor. */
  readonly container?: ContainerType;
  /** Tables that every element of this input indexes; values outside are refused. */
  readonly ids?: readonly IdTable[];
}

/** Inputs that must be fed: graph inputs that no initializer defines, with the embedding tables they index. */
export function feedSignature(view: GraphView): FeedInput[] {
  return view.graph.inputs
    .filter((input) => !view.initializers.has(input.name) && !view.sparse.has(input.name))
    .map(({ name, dtype, dims, container }) => ({
      name,
      dtype,
      dims: dims?.map(withoutPlaceholder),
      ...(container && { container }),
      ids: traceIds(view, name).filter((table) => table.everyElement),
    }));
}

/** Some exporters name every unknown size alike; such a name says nothing, least of all that two sizes are equal. */
const withoutPlaceholder = ({ size, symbol }: Dimension): Dimension => ({
  size,
  symbol: symbol !== undefined && /^(\?|none|null|-1|dynamic|unknown|unk)$/i.test(symbol) ? undefined : symbol,
});

/** What was fed, for `result.json` and the report. */
export function describeFeeds(feed: Feed): FeedSummary[] {
  return [...feed.tensors].map(([name, value]) => {
    const origin = feed.origins.get(name) ?? "given by the caller";
    if (isTensorValue(value)) return { name, dtype: value.dtype, dims: value.dims, origin };
    const { dtype, dims, text } = describeContainer(value);
    return { name, dtype, dims, origin: `${origin}; ${text}` };
  });
}

function describeContainer(value: SequenceValue | OptionalValue): { dtype: DType; dims: readonly number[]; text: string } {
  if (value.kind === "sequence")
    return { dtype: value.dtype, dims: [value.elements.length], text: `a sequence of ${value.elements.length} tensors` };
  if (value.value === undefined) return { dtype: "undefined", dims: [], text: "an optional without a value" };
  if (isTensorValue(value.value)) return { dtype: value.value.dtype, dims: value.value.dims, text: "an optional" };
  const inner = describeContainer(value.value);
  return { ...inner, text: `an optional with ${inner.text}` };
}

/** What an input expects, for messages: `float32 [batch, 128]`, `a sequence of float32`. */
export function typeText({ dtype, dims, container }: FeedInput): string {
  if (container === undefined) return `${dtype} ${dimsText(dims)}`;
  if (container.kind === "other") return "a value that is no tensor, sequence or optional";
  return container.kind === "sequence" ? `a sequence of ${container.dtype}` : `an optional ${container.of} of ${container.dtype}`;
}

/** Declared dims as a person writes them: `[batch, 128, ?]`. */
export const dimsText = (dims: readonly (Dimension | number)[] | undefined): string =>
  dims === undefined ? "any shape" : `[${dims.map((d) => (typeof d === "number" ? d : (d.size ?? d.symbol ?? "?"))).join(", ")}]`;

/** The tensors of a sample; sequences and optionals, which other tools' files cannot hold, are missing. */
export const tensorsOf = (feed: Pick<Feed, "tensors">): ReadonlyMap<string, TensorValue> =>
  new Map([...feed.tensors].flatMap(([name, value]) => (isTensorValue(value) ? [[name, value] as const] : [])));
