import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { InputError, UsageError } from "@halfscope/core";
import { graphFromFile } from "./graph.js";
import { functionFromField } from "./node.js";
import type { Field, FileSpan, FunctionInfo, Graph, Model } from "./types.js";
import { bytesOf, FileBytes, fieldsOf, intOf, notProtobuf, textOf } from "./wire.js";

/** ModelProto field numbers (onnx.proto). */
export const modelField = { irVersion: 1, producerName: 2, producerVersion: 3, graph: 7, opsetImport: 8, functions: 25 } as const;

/**
 * Opens an ONNX model: its structure in memory, its weights as spans of files that nothing has read.
 * Errors: ERR_FILE_NOT_FOUND, ERR_MODEL_PARSE (not ONNX, truncated, a Git LFS pointer), ERR_MODEL_EXTERNAL_DATA (a path that leaves the folder).
 * Missing external files are no error here, see `checkExternalData`.
 */
export async function readModel(givenPath: string): Promise<Model> {
  const path = realPath(givenPath);
  const folder = dirname(path);
  using file = new FileBytes(path);
  refuseOtherFiles(file, givenPath);
  const fields: Field[] = [];
  let graph: Graph | undefined;
  const functions: FunctionInfo[] = [];
  const opsets = new Map<string, number>();
  let irVersion = 0;
  const producer = ["", ""];
  for (const location of file.fields(0, file.sizeBytes)) {
    if (location.number === modelField.graph) {
      if (location.wireType !== 2 || graph !== undefined) throw notProtobuf(givenPath, location.headerOffset);
      fields.push(file.field(location, "leave"));
      graph = graphFromFile(file, location, folder);
      continue;
    }
    const field = file.field(location, "read");
    fields.push(field);
    if (field.number === modelField.irVersion) irVersion = intOf(field);
    else if (field.number === modelField.producerName) producer[0] = textOf(field);
    else if (field.number === modelField.producerVersion) producer[1] = textOf(field);
    else if (field.number === modelField.functions) functions.push(functionFromField(field, folder));
    else if (field.number === modelField.opsetImport) {
      const parts = fieldsOf(bytesOf(field), "an opset import");
      const domain = parts.find((p) => p.number === 1);
      const version = parts.find((p) => p.number === 2);
      const name = domain === undefined ? "" : textOf(domain);
      opsets.set(name === "ai.onnx" ? "" : name, version === undefined ? 0 : intOf(version));
    }
  }
  if (graph === undefined || (graph.nodes.length === 0 && graph.outputs.length === 0))
    throw new InputError("ERR_MODEL_PARSE", `${givenPath} is not an ONNX model: it holds no graph.`, {
      hint: "Give the .onnx file itself.",
    });
  const digest = digestOf(fields, graph);
  return {
    path,
    folder,
    sizeBytes: file.sizeBytes,
    irVersion,
    producer: producer.join(" ").trim(),
    opsets,
    graph,
    functions,
    fields,
    digest,
  };
}

function realPath(path: string): string {
  try {
    const real = realpathSync(path);
    if (statSync(real).isFile()) return real;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw notReadable(path, cause);
    throw new UsageError("ERR_FILE_NOT_FOUND", `There is no file ${path}.`, { hint: "Check the path of the model.", cause });
  }
  throw new UsageError("ERR_FILE_NOT_FOUND", `${path} is no file.`, { hint: "Give the .onnx file, not its folder." });
}

const notReadable = (path: string, cause: unknown): UsageError =>
  new UsageError("ERR_FILE_NOT_FOUND", `${path} cannot be read: ${(cause as Error).message}.`, {
    hint: "Check the path and its permissions.",
    cause,
  });

function refuseOtherFiles(file: FileBytes, path: string): void {
  const start = new TextDecoder("latin1").decode(file.read(0, Math.min(64, file.sizeBytes)));
  const found =
    file.sizeBytes === 0
      ? "is empty"
      : start.startsWith("version https://git-lfs")
        ? "is a Git LFS pointer, not the model itself"
        : undefined;
  if (found === undefined) return;
  throw new InputError("ERR_MODEL_PARSE", `${path} ${found}.`, {
    hint: file.sizeBytes === 0 ? "Fetch or export the model again." : "Run `git lfs pull` in the repository that the file comes from.",
  });
}

/** Everything but large weights is hashed whole; of those, their length and 4 KiB at the start, the middle and the end. */
function digestOf(fields: readonly Field[], graph: Graph): string {
  const hash = createHash("sha256");
  const add = (field: Field) => {
    hash.update(field.header);
    if (field.payload instanceof Uint8Array) hash.update(field.payload);
  };
  fields.forEach(add);
  graph.fields.forEach(add);
  const descriptors = new Map<string, OpenFile | undefined>();
  for (const { name, dims, elementType, data } of graph.initializers) {
    if (data.kind !== "file") continue;
    hash.update(`${name}\0${dims.join(",")}\0${elementType}\0${data.span.length}\0`);
    sampleSpan(data.span, descriptors, (bytes) => hash.update(bytes));
  }
  for (const open of descriptors.values()) if (open !== undefined) closeSync(open.descriptor);
  return hash.digest("hex");
}

interface OpenFile {
  descriptor: number;
  sizeBytes: number;
}

function sampleSpan(span: FileSpan, descriptors: Map<string, OpenFile | undefined>, take: (bytes: Uint8Array) => void): void {
  if (!descriptors.has(span.path)) {
    try {
      // Digesting must not follow a link out of the folder; `checkExternalData` says why such a file is refused.
      // Nor must it open a folder or a pipe: reading those fails or waits for ever.
      const usable = realpathSync(span.path) === span.path && statSync(span.path).isFile();
      descriptors.set(span.path, usable ? { descriptor: openSync(span.path, "r"), sizeBytes: statSync(span.path).size } : undefined);
    } catch {
      descriptors.set(span.path, undefined); // absent: the digest then covers the structure alone
    }
  }
  const open = descriptors.get(span.path);
  if (open === undefined) return;
  const sample = new Uint8Array(4096);
  for (const at of [0, Math.floor(span.length / 2), Math.max(0, span.length - sample.length)]) {
    if (span.offset + at >= open.sizeBytes) continue;
    const n = readSync(open.descriptor, sample, 0, Math.min(sample.length, span.length - at), span.offset + at);
    take(sample.subarray(0, n));
  }
}
