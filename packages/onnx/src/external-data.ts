import { realpathSync, statSync } from "node:fs";
import { sep } from "node:path";
import { byteLength, elementCount, InputError } from "@halfscope/core";
import { readSpan } from "./rope.js";
import type { Graph, Initializer, Model, Node } from "./types.js";

/**
 * Checks that every tensor in the file (initializers, sparse ones, tensors of attributes, all of them also inside bodies and local functions) has the values
 * that its shape needs, before anything maps them. External data: the file exists, is a regular file inside the model's folder (links followed), and is long
 * enough. Throws ERR_MODEL_EXTERNAL_DATA, or ERR_MODEL_PARSE for values inside the model file, naming the tensor.
 */
export function checkExternalData(model: Model): void {
  const sizes = new Map<string, number>();
  for (const { tensor, what } of tensorsOf(model)) checkTensor(tensor, what, model.folder, sizes);
}

interface Found {
  readonly tensor: Initializer;
  /** How messages call it: `Initializer "w"`. */
  readonly what: string;
}

function* tensorsOf(model: Model): Generator<Found> {
  yield* inGraph(model.graph);
  for (const f of model.functions) yield* inNodes(f.nodes);
}

function* inGraph(graph: Graph): Generator<Found> {
  for (const tensor of graph.initializers) yield { tensor, what: `Initializer "${tensor.name}"` };
  for (const { name, values, indices } of graph.sparseInitializers) {
    yield { tensor: values, what: `Sparse initializer "${name}"` };
    if (indices !== undefined) yield { tensor: indices, what: `The list of indices of the sparse initializer "${name}"` };
  }
  yield* inNodes(graph.nodes);
}

function* inNodes(nodes: readonly Node[]): Generator<Found> {
  for (const node of nodes)
    for (const { name, tensor, graphs } of node.attributes.values()) {
      const place = `the ${node.opType} node "${node.name || node.outputs[0] || node.index}"`;
      if (tensor !== undefined) yield { tensor, what: `The attribute "${name}" of ${place}` };
      for (const graph of graphs ?? []) yield* inGraph(graph);
    }
}

function checkTensor({ name, dtype, dims, data }: Initializer, what: string, folder: string, sizes: Map<string, number>): void {
  if (data.kind === "unsupported") return;
  if (data.kind !== "file" || !data.external) {
    const expected = byteLength(dtype, elementCount(dims));
    const found = data.kind === "file" ? data.span.length : data.bytes.length;
    if (expected !== undefined && found !== expected)
      throw new InputError(
        "ERR_MODEL_PARSE",
        `${what} holds ${found} bytes where its shape [${dims.join(", ")}] of ${dtype} needs ${expected}.`,
        { hint: "Weights were stripped from this file, or it is damaged: get or export the whole model." },
      );
    return;
  }
  const { path, offset, length } = data.span;
  let size = sizes.get(path);
  if (size === undefined) {
    size = sizeOfExternalFile(path, folder, what, name);
    sizes.set(path, size);
  }
  if (offset + length > size)
    throw refused(
      what,
      name,
      path,
      `needs bytes ${offset} to ${offset + length} of ${path}, which has only ${size}`,
      "The file is cut short or belongs to another export; fetch it again.",
    );
}

function sizeOfExternalFile(path: string, folder: string, what: string, name: string): number {
  let real: string;
  try {
    real = realpathSync(path);
  } catch {
    throw refused(
      what,
      name,
      path,
      `lies in ${path}, which does not exist`,
      "Put the external-data file beside the model, under the name that the model gives.",
    );
  }
  if (!real.startsWith(folder.endsWith(sep) ? folder : folder + sep))
    throw refused(
      what,
      name,
      path,
      `lies in ${path}, a link out of the model's folder (to ${real})`,
      "Copy the file into the model's folder.",
    );
  const stat = statSync(real);
  if (!stat.isFile())
    throw refused(what, name, path, `lies in ${path}, which is no regular file`, "Put the external-data file beside the model.");
  return stat.size;
}

const refused = (what: string, initializer: string, path: string, found: string, hint: string): InputError =>
  new InputError("ERR_MODEL_EXTERNAL_DATA", `${what} ${found}.`, { hint, context: { initializer, path } });

/** All values of an initializer as little-endian bytes. Meant for small ones: it loads everything. */
export async function readInitializer(initializer: Initializer): Promise<Uint8Array> {
  const { data } = initializer;
  if (data.kind === "bytes") return data.bytes;
  if (data.kind === "unsupported")
    throw new InputError("ERR_MODEL_UNSUPPORTED", `The values of initializer "${initializer.name}" cannot be read: ${data.reason}.`, {
      hint: "Use a numeric tensor.",
    });
  const chunks: Uint8Array[] = [];
  for await (const chunk of readSpan(data.span)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
