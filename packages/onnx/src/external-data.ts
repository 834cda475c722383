import { realpathSync, statSync } from "node:fs";
import { sep } from "node:path";
import { bytesPerElement, elementCount, InputError } from "@halfscope/core";
import { readSpan } from "./rope.js";
import type { Initializer, Model } from "./types.js";

/**
 * Checks that every initializer has the values that its shape needs, before anything maps them. External data: the file exists, is a regular file
 * inside the model's folder (links followed), and is long enough. Throws ERR_MODEL_EXTERNAL_DATA, or ERR_MODEL_PARSE for values inside the model
 * file, naming the initializer.
 */
export function checkExternalData(model: Model): void {
  const sizes = new Map<string, number>();
  for (const { name, dtype, dims, data } of model.graph.initializers) {
    if (data.kind === "unsupported") continue;
    if (data.kind !== "file" || !data.external) {
      const width = bytesPerElement(dtype);
      const found = data.kind === "file" ? data.span.length : data.bytes.length;
      if (width !== undefined && found !== elementCount(dims) * width)
        throw new InputError(
          "ERR_MODEL_PARSE",
          `Initializer "${name}" holds ${found} bytes where its shape [${dims.join(", ")}] of ${dtype} needs ${elementCount(dims) * width}.`,
          { hint: "Weights were stripped from this file, or it is damaged: get or export the whole model." },
        );
      continue;
    }
    const { path, offset, length } = data.span;
    let size = sizes.get(path);
    if (size === undefined) {
      size = sizeOfExternalFile(path, model.folder, name);
      sizes.set(path, size);
    }
    if (offset + length > size)
      throw refused(
        name,
        path,
        `needs bytes ${offset} to ${offset + length} of ${path}, which has only ${size}`,
        "The file is cut short or belongs to another export; fetch it again.",
      );
  }
}

function sizeOfExternalFile(path: string, folder: string, name: string): number {
  let real: string;
  try {
    real = realpathSync(path);
  } catch {
    throw refused(
      name,
      path,
      `lies in ${path}, which does not exist`,
      "Put the external-data file beside the model, under the name that the model gives.",
    );
  }
  if (!real.startsWith(folder.endsWith(sep) ? folder : folder + sep))
    throw refused(name, path, `lies in ${path}, a link out of the model's folder (to ${real})`, "Copy the file into the model's folder.");
  const stat = statSync(real);
  if (!stat.isFile())
    throw refused(name, path, `lies in ${path}, which is no regular file`, "Put the external-data file beside the model.");
  return stat.size;
}

const refused = (initializer: string, path: string, found: string, hint: string): InputError =>
  new InputError("ERR_MODEL_EXTERNAL_DATA", `Initializer "${initializer}" ${found}.`, { hint, context: { initializer, path } });

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
