/** Inputs of a run as the C++ programs of this folder read them. */
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { isTensorValue, UsageError } from "@halfscope/core";
import type { Feed } from "@halfscope/engine";

export interface PreparedInput {
  name: string;
  dtype: string;
  dims: readonly number[];
  origin: string;
  sha256: string;
}

/** Folders are nobody's business: of a file, its name. */
const originOf = (origin = "") => (origin.startsWith("made up") ? origin : basename(origin));

/** Writes run.txt and a file per input. Throws ERR_OPTION for inputs that are no tensors. */
export async function writePrepared(folder: string, feed: Feed, tensors: readonly string[]): Promise<PreparedInput[]> {
  await mkdir(folder, { recursive: true });
  const lines: string[] = [];
  const inputs: PreparedInput[] = [];
  for (const [name, value] of feed.tensors) {
    if (!isTensorValue(value)) throw new UsageError("ERR_OPTION", `Input "${name}" is no tensor; such models cannot be prepared.`);
    const file = `input-${inputs.length}.bin`;
    await writeFile(join(folder, file), value.data);
    lines.push(`input ${file} ${[value.dims.length, ...value.dims].join(" ")} ${name}`);
    const sha256 = createHash("sha256").update(value.data).digest("hex");
    inputs.push({ name, dtype: value.dtype, dims: value.dims, origin: originOf(feed.origins.get(name)), sha256 });
  }
  lines.push(...tensors.map((t) => `tensor ${t}`));
  await writeFile(join(folder, "run.txt"), `${lines.join("\n")}\n`);
  return inputs;
}
