import type { DType, FeedSummary, TensorValue } from "@halfscope/core";
import type { Dimension, GraphView } from "@halfscope/onnx";
import { type IdTable, traceIds } from "./trace-ids.js";

/** One sample: a value for every graph input, and where each came from. Maps are in the order of the graph's inputs. */
export interface Feed {
  tensors: Map<string, TensorValue>;
  /** For people and for `result.json`: a file, or "made up: ...". */
  origins: Map<string, string>;
}

/** What a graph input must look like. A `ValueInfo` of the reader is one. */
export interface FeedInput {
  readonly name: string;
  readonly dtype: DType;
  /** undefined when the model gives no shape: then every shape is accepted. */
  readonly dims: readonly Dimension[] | undefined;
  /** Tables that every element of this input indexes; values outside are refused. */
  readonly ids?: readonly IdTable[];
}

/** Inputs that must be fed: graph inputs that no initializer defines, with the embedding tables they index. */
export function feedSignature(view: GraphView): FeedInput[] {
  return view.graph.inputs
    .filter((input) => !view.initializers.has(input.name))
    .map(({ name, dtype, dims }) => ({
      name,
      dtype,
      dims: dims?.map(withoutPlaceholder),
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
  return [...feed.tensors].map(([name, { dtype, dims }]) => ({
    name,
    dtype,
    dims,
    origin: feed.origins.get(name) ?? "given by the caller",
  }));
}

/** Declared dims as a person writes them: `[batch, 128, ?]`. */
export const dimsText = (dims: readonly (Dimension | number)[] | undefined): string =>
  dims === undefined ? "any shape" : `[${dims.map((d) => (typeof d === "number" ? d : (d.size ?? d.symbol ?? "?"))).join(", ")}]`;
