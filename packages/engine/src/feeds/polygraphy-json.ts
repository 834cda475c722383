import type { TensorValue } from "@halfscope/core";
import { badFile } from "./feed-errors.js";
import { Budget } from "./limits.js";
import { readNpy } from "./npy.js";

/** What marks Polygraphy's objects; the second name is that of old releases. */
const markers = ["polygraphy_class", "polygraphy_serialized_json_type"] as const;
const saveInputs = "Write it with polygraphy run MODEL --onnxrt --save-inputs inputs.json.";

const markerOf = (value: unknown): string | undefined => {
  if (typeof value !== "object" || value === null) return undefined;
  const marked = value as Record<string, unknown>;
  const marker = markers.map((key) => marked[key]).find((m) => m !== undefined);
  return marker === undefined ? undefined : String(marker);
};

/** Whether an object of a JSON file, or one of its values, is Polygraphy's. */
export const isPolygraphy = (sample: Record<string, unknown>): boolean =>
  markerOf(sample) !== undefined || Object.values(sample).some((value) => markerOf(value) !== undefined);

/** Reads one sample of Polygraphy's input files: a dict of ndarrays, each the base64 of an .npy file. Errors: ERR_FEED_FILE. */
export function readPolygraphySample(sample: Record<string, unknown>, file: string, budget = new Budget()): Map<string, TensorValue> {
  const kind = markerOf(sample);
  if (kind !== undefined)
    throw badFile(file, "Polygraphy inputs, a list of dicts", `${kind}${kind === "RunResults" ? ", which holds outputs" : ""}`, saveInputs);
  return new Map(Object.entries(sample).map(([name, value]) => [name, readArray(value, `${file}, "${name}"`, budget)]));
}

function readArray(value: unknown, file: string, budget: Budget): TensorValue {
  const kind = markerOf(value);
  const fields = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  if (kind === "LazyArray" || kind === "LazyNumpyArray") {
    const inner = fields.values ?? fields.arr;
    if (markerOf(inner) === "ndarray" || markerOf(inner) === "Tensor") return readArray(inner, file, budget);
  }
  if (kind === "Tensor" || kind === "LazyTensor")
    throw badFile(file, "a NumPy array", "a PyTorch tensor (a pickle)", `Pickles can run code and are never loaded. ${saveInputs}`);
  const text = fields.array;
  if (kind !== "ndarray" || typeof text !== "string") throw badFile(file, "a Polygraphy ndarray", kind ?? "something else", saveInputs);
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw badFile(file, "base64", "other text", saveInputs);
  budget.require((text.length / 4) * 3, file);
  return readNpy(Buffer.from(text, "base64"), file, budget);
}
