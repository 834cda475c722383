import { bytesPerElement, elementCount, InputError, numberFromDtype, type TensorValue } from "@halfscope/core";
import { encodeExternalTensor, encodeTensor, encodeTensorHead, encodeValueInfo } from "./encode.js";
import { graphField } from "./graph.js";
import { mayHoldSubgraph, subgraphsOf } from "./node.js";
import { modelField } from "./read-model.js";
import type { Region } from "./region.js";
import { delimitedField, type Piece, type Rope, ropeLength, verbatim } from "./rope.js";
import { sparseName } from "./sparse-names.js";
import type { Field, Graph, Initializer, Model, Node } from "./types.js";
import { bytesOf, fieldsOf, textOf } from "./wire.js";

export interface ExtractModelOptions {
  /** A value for every input of the region: gives its type and sizes; those in `bake` become initializers. */
  values: ReadonlyMap<string, TensorValue>;
  bake: ReadonlySet<string>;
  /** Types and sizes of the outputs. */
  outputs: ReadonlyMap<string, Pick<TensorValue, "dtype" | "dims">>;
  /** Name of the file beside the model for large weights, once the whole would be beyond `embedUpTo` bytes (1.5 GB by default; protobuf ends at 2). */
  externalName: string;
  embedUpTo?: number;
}
export interface ExtractedModel {
  rope: Rope;
  /** Content of the file beside it; undefined when all weights are embedded. */
  external: Rope | undefined;
}

/** Fields of a graph that are made anew or filtered; others (name, documentation, metadata, unknown ones) stay. */
const rebuilt: ReadonlySet<number> = new Set([...Object.values(graphField).filter((n) => n !== graphField.name), 14]);
const trainingInfo = 20;
const externalFrom = 1024;
const alignment = 4096;

/**
 * A region as a model of its own. Nodes and weights stay byte for byte, operator sets, functions and IR version as they are; inputs and outputs have the sizes of the values. Throws
 * ERR_MODEL_UNSUPPORTED for external data inside a node, which is named relative to the model's own folder.
 */
export function extractModel(model: Model, region: Region, o: ExtractModelOptions): ExtractedModel {
  for (const node of region.nodes) refuseExternalInside(node);
  const outside = region.initializers.reduce((n, i) => n + sizeOf(i), 0) > (o.embedUpTo ?? 1.5e9);
  const external: Piece[] = [];
  let externalLength = 0;
  const tensor = (init: Initializer): Rope => {
    const { data, name, elementType, dims } = init;
    const large = data.kind !== "unsupported" && sizeOf(init) >= externalFrom;
    if (outside && large) {
      const padding = -externalLength & (alignment - 1);
      const content: Piece = data.kind === "file" ? data.span : data.bytes;
      external.push(new Uint8Array(padding), content);
      const offset = externalLength + padding;
      externalLength = offset + content.length;
      return [encodeExternalTensor(name, elementType, dims, o.externalName, offset, content.length)];
    }
    if (data.kind === "file" && data.external)
      return [encodeTensorHead(name, elementType, dims), ...delimitedField(rawDataField, [data.span])];
    return [init.field.payload];
  };
  const graph = graphRope(model, region, o, tensor);
  const rope = model.fields.flatMap((field): Rope => {
    if (field.number === trainingInfo) return [];
    return field.number === modelField.graph ? delimitedField(modelField.graph, graph) : verbatim(field);
  });
  return { rope, external: outside ? external : undefined };
}

const rawDataField = 9;

function graphRope(model: Model, region: Region, o: ExtractModelOptions, tensor: (init: Initializer) => Rope): Rope {
  const { graph } = model;
  const fed = region.inputs.filter((t) => !o.bake.has(t));
  const known = new Set([...region.nodes.flatMap((n) => [...n.inputs, ...n.outputs]), ...region.outputs]);
  const inner = new Set(region.nodes.flatMap((n) => n.outputs).filter((t) => !region.outputs.includes(t)));
  const tensorOf = (t: string): TensorValue => o.values.get(t) ?? { dtype: "unknown", dims: [], data: new Uint8Array(0) };
  const face = (t: string, { dtype, dims }: Pick<TensorValue, "dtype" | "dims">) => encodeValueInfo(t, numberFromDtype(dtype), dims);
  const fields = (number: number, messages: readonly Rope[]): Rope => messages.flatMap((m) => delimitedField(number, m));
  const kept = (number: number, wanted: (field: Field) => boolean): Rope =>
    graph.fields.filter((f) => f.number === number && wanted(f)).flatMap(verbatim);
  // Before version 4, initializers had to be inputs too.
  const alsoInputs = model.irVersion < 4 ? region.initializers : [];
  const reads = (name: string) => known.has(name) || region.nodes.some((n) => readInside(n, name));
  return [
    ...graph.fields.filter((f) => !rebuilt.has(f.number)).flatMap(verbatim),
    ...region.nodes.flatMap((n) => verbatim(n.field)),
    ...fields(graphField.initializer, region.initializers.map(tensor)),
    ...fields(
      graphField.initializer,
      region.inputs
        .filter((t) => o.bake.has(t))
        .map((t) => {
          const { dtype, dims, data } = tensorOf(t);
          return [encodeTensor(t, numberFromDtype(dtype), dims, data)];
        }),
    ),
    ...kept(graphField.sparseInitializer, (f) => reads(sparseName(f))),
    ...fields(
      graphField.input,
      fed.map((t) => [face(t, tensorOf(t))]),
    ),
    ...fields(
      graphField.input,
      alsoInputs.map((i) => [encodeValueInfo(i.name, i.elementType, i.dims)]),
    ),
    ...fields(
      graphField.output,
      region.outputs.map((t) => [face(t, o.outputs.get(t) ?? tensorOf(t))]),
    ),
    ...kept(14, (f) => known.has(firstText(f))),
    ...graph.valueInfos.filter((v) => inner.has(v.name)).flatMap((v) => verbatim(v.field)),
  ];
}

const firstText = (field: Field): string => {
  const name = fieldsOf(bytesOf(field), "an annotation").find((f) => f.number === 1);
  return name === undefined ? "" : textOf(name);
};

const readInside = (node: Node, name: string): boolean =>
  mayHoldSubgraph(node) && subgraphsOf(node).some((g) => g.nodes.some((n) => n.inputs.includes(name) || readInside(n, name)));

const sizeOf = ({ data, dims, dtype, field }: Initializer): number =>
  data.kind === "file"
    ? data.span.length
    : data.kind === "bytes"
      ? data.bytes.length
      : field.payload.length || elementCount(dims) * (bytesPerElement(dtype) ?? 1);

function refuseExternalInside(node: Node): void {
  const external = (i: Initializer | undefined) => i?.data.kind === "file" && i.data.external;
  const inGraph = (graph: Graph): boolean => graph.initializers.some(external) || graph.nodes.some(inNode);
  const inNode = (n: Node): boolean => [...n.attributes.values()].some((a) => external(a.tensor) || (a.graphs ?? []).some(inGraph));
  if (!inNode(node)) return;
  throw new InputError(
    "ERR_MODEL_UNSUPPORTED",
    `Node ${node.name || node.outputs[0] || node.index} (${node.opType}) holds weights in an external file, which cannot move with it.`,
    { hint: "Save the model with these tensors embedded (onnx.save with save_as_external_data=False), or extract other layers." },
  );
}

/** Bytes that an extracted model and its weights take. */
export const extractedLength = ({ rope, external }: ExtractedModel): number => ropeLength(rope) + ropeLength(external ?? []);
