import type { DType, EngineLayer, EngineTensor } from "@halfscope/core";
import { computesOf } from "./computes.js";

/** What `IEngineInspector::getEngineInformation` told of an engine. */
export interface EngineInformation {
  /** In the order they run. `nodes` are the names that the metadata gives, of network layers; `mapLayers` ties them to the graph. */
  layers: readonly EngineLayer[];
  /** Inputs and outputs of the engine. */
  bindings: readonly string[];
  /** What could not be read, for people; empty as a rule. */
  problems: readonly string[];
}

/**
 * Reads the inspector's JSON of TensorRT 8.6, 10 and 11. The text is untrusted: what is not understood is left out and named in `problems`; nothing is
 * thrown. Forms: layers as objects (profiling verbosity detailed) or as bare names; a tensor's type joined with its format ("Format/Datatype": "Half", "Row
 * major linear FP16 format") or beside it ("Datatype" or "DataType", "Format"); constants among the inputs or as "Constants" (11); "Bindings" as names or
 * "I/O Tensors" as objects (11); kernels as "TacticName", or "TacticValue" alone.
 */
export function readEngineInformation(text: string): EngineInformation {
  const problems: string[] = [];
  const root = parsed(text, problems);
  const source = Array.isArray(root) ? root : listOf(fieldOf(recordOf(root), "Layers"));
  if (source === undefined) {
    if (root !== undefined) problems.push('The engine\'s description has no list "Layers".');
    return { layers: [], bindings: [], problems };
  }
  const layers: EngineLayer[] = [];
  let unread = 0;
  for (const item of source) {
    const layer = layerOf(item);
    if (layer === undefined) unread++;
    else layers.push(layer);
  }
  if (unread > 0) problems.push(`${unread} of ${source.length} engine layers have no name and are left out.`);
  if (layers.length > 0 && layers.every((l) => l.inputs.length === 0 && l.outputs.length === 0))
    problems.push("The engine was built without detailed profiling verbosity: only the names of its layers are known.");
  return { layers, bindings: bindingsOf(recordOf(root)), problems };
}

/** Layers with the mean times that a profiler measured, by layer name; layers of one name share theirs evenly. Layers without a time stay without. */
export function withLayerTimes(layers: readonly EngineLayer[], milliseconds: ReadonlyMap<string, number>): EngineLayer[] {
  const alike = new Map<string, number>();
  for (const { name } of layers) alike.set(name, (alike.get(name) ?? 0) + 1);
  return layers.map((layer) => {
    const time = milliseconds.get(layer.name);
    return time === undefined ? layer : { ...layer, milliseconds: time / (alike.get(layer.name) ?? 1) };
  });
}

/** Element type that the inspector's wording of a format stands for: "Half", "Row major linear FP16 format", "Int8 NC/32HW32" ... */
export function dtypeOfFormat(format: string): DType | "unknown" {
  return formatTypes.find(([pattern]) => pattern.test(format))?.[1] ?? "unknown";
}

// The first that fits: the word of one type may hold that of another.
const formatTypes: readonly (readonly [RegExp, DType])[] = [
  [/complex/i, "unknown"],
  [/bfloat16|\bbf16/i, "bfloat16"],
  [/\b(fp16|float16|half)/i, "float16"],
  [/\b(double|fp64|float64)/i, "float64"],
  [/\b(fp8|float8)/i, "float8e4m3fn"],
  [/\b(fp4|float4)/i, "float4e2m1"],
  [/\b(float|fp32)/i, "float32"],
  [/\buint8/i, "uint8"],
  [/\buint16/i, "uint16"],
  [/\buint32/i, "uint32"],
  [/\buint64/i, "uint64"],
  [/\bint64/i, "int64"],
  [/\bint32/i, "int32"],
  [/\bint16/i, "int16"],
  [/\bint8/i, "int8"],
  [/\bint4/i, "int4"],
  [/\bbool/i, "bool"],
];

type Fields = Readonly<Record<string, unknown>>;

/** JSON, also where names hold control characters that TensorRT did not escape. */
function parsed(text: string, problems: string[]): unknown {
  try {
    return JSON.parse(text);
  } catch {
    try {
      return JSON.parse(
        text.replaceAll(controlCharacters, (c) => (/\s/.test(c) ? " " : `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)),
      );
    } catch (cause) {
      problems.push(`The engine's description is not JSON: ${(cause as Error).message}.`);
      return undefined;
    }
  }
}

// Only those between JSON's tokens are white space, and there a blank does as well.
const controlCharacters = /[\u0000-\u001f]/g;

function layerOf(item: unknown): EngineLayer | undefined {
  if (typeof item === "string") return item === "" ? undefined : nameOnly(item);
  const fields = recordOf(item);
  const name = fields === undefined ? undefined : textOf(fields, "Name");
  if (fields === undefined || name === undefined) return undefined;
  const inputs = [...tensorsOf(fieldOf(fields, "Inputs")), ...tensorsOf(fieldOf(fields, "Constants"))];
  const outputs = tensorsOf(fieldOf(fields, "Outputs"));
  const kind = textOf(fields, "LayerType") ?? "unknown";
  const kernel = textOf(fields, "TacticName");
  const tactic = kernel ?? textOf(fields, "TacticValue");
  const weights = recordOf(fieldOf(fields, "Weights"));
  const weightType = weights === undefined ? undefined : textOf(weights, "Type");
  return {
    name,
    kind,
    nodes: namesInMetadata(metadataText(fieldOf(fields, "Metadata"))),
    inputs,
    outputs,
    ...(tactic !== undefined && { tactic }),
    computes: computesOf({ name, kernel, inputs, outputs, weights: weightType === undefined ? undefined : dtypeOfFormat(weightType) }),
  };
}

const nameOnly = (name: string): EngineLayer => ({ name, kind: "unknown", nodes: [], inputs: [], outputs: [], computes: "unknown" });

/**
 * Names in `[ONNX Layer: NAME | property ...]`, one such entry per network layer (onnx-tensorrt, processMetadata), entries apart by a control character. A
 * local function's name is the property "Local Function". Names keep brackets that they hold.
 */
export function namesInMetadata(metadata: string): string[] {
  const names = [...metadata.matchAll(/\[ONNX Layer: (.*?)\](?=[^ -~\u0080-\uffff]*(?:\[ONNX Layer: |$))/gs)].map(
    ([, entry = ""]) => entry.split(" | ")[0] ?? "",
  );
  return [...new Set(names.filter((n) => n !== ""))];
}

function metadataText(value: unknown): string {
  if (typeof value === "string") return value;
  const parts = listOf(value) ?? (recordOf(value) === undefined ? [] : Object.values(value as Fields));
  return parts.filter((p) => typeof p === "string").join("\u001f");
}

function tensorsOf(value: unknown): EngineTensor[] {
  return (listOf(value) ?? []).flatMap((item) => {
    const fields = typeof item === "string" ? { Name: item } : recordOf(item);
    const name = fields === undefined ? undefined : textOf(fields, "Name");
    if (fields === undefined || name === undefined) return [];
    const joined = textOf(fields, "Format/Datatype");
    const type = joined ?? textOf(fields, "Datatype") ?? textOf(fields, "DataType") ?? "";
    const dims = (listOf(fieldOf(fields, "Dimensions")) ?? []).filter((d) => typeof d === "number");
    return [
      {
        name,
        dtype: dtypeOfFormat(type),
        dims,
        format: joined ?? [textOf(fields, "Format"), type].filter((t) => t !== undefined && t !== "").join(" "),
      },
    ];
  });
}

function bindingsOf(root: Fields | undefined): string[] {
  const list = listOf(fieldOf(root, "Bindings")) ?? listOf(fieldOf(root, "I/O Tensors")) ?? [];
  return list
    .flatMap((b) => (typeof b === "string" ? [b] : recordOf(b) === undefined ? [] : [textOf(b as Fields, "Name") ?? ""]))
    .filter((n) => n !== "");
}

const recordOf = (value: unknown): Fields | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
const listOf = (value: unknown): readonly unknown[] | undefined => (Array.isArray(value) ? value : undefined);
/** What the text itself gives a key: those of prototypes say nothing. */
const fieldOf = (fields: Fields | undefined, key: string): unknown =>
  fields !== undefined && Object.hasOwn(fields, key) ? fields[key] : undefined;
/** A text that says something. */
function textOf(fields: Fields, key: string): string | undefined {
  const value = fieldOf(fields, key);
  return typeof value === "string" && value !== "" ? value : undefined;
}
