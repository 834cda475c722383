import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type BertOptions, resolveConfig } from "./config.js";
import { plantFaults } from "./faults.js";
import { buildGraph } from "./graph.js";
import { withEdits } from "./tensors.js";
import { layOut, writeFiles } from "./writer.js";

export type { BertOptions, FaultKind, FaultOptions } from "./config.js";
export type { PlantedFault } from "./faults.js";

export interface MadeBert {
  /** The model file. */
  readonly path: string;
  /** Bytes of the model file and its data file. */
  readonly bytes: number;
  readonly nodes: number;
}

/**
 * Writes a BERT model of seeded weights, and `planted.json` beside it when faults are planted. Weights are streamed: memory stays small at
 * any size. Throws ERR_OPTION and ERR_OUTPUT_NOT_WRITABLE, and leaves nothing half-written.
 */
export async function makeBert(options: BertOptions): Promise<MadeBert> {
  const config = resolveConfig(options);
  const plain = buildGraph(config);
  const { planted, edits } = plantFaults(config);
  const graph = { ...plain, tensors: plain.tensors.map((tensor) => withEdits(tensor, edits)) };
  const decomposed = config.style === "decomposed";
  const { model, data } = layOut(config.path, graph, {
    opset: decomposed ? 13 : 17,
    irVersion: decomposed ? 7 : 8,
    external: config.external,
  });
  const recordPath = join(dirname(config.path), "planted.json");
  const record = Buffer.from(`${JSON.stringify({ faults: planted }, null, 2)}\n`);
  const bytes = await writeFiles([
    ...(config.external ? [{ path: `${config.path}.data`, pieces: data }] : []),
    { path: config.path, pieces: model },
    ...(planted.length > 0 ? [{ path: recordPath, pieces: [record] }] : []),
  ]);
  // A record left by an earlier model of this folder would tell lies about this one.
  if (planted.length === 0) await rm(recordPath, { force: true });
  return { path: config.path, bytes: bytes - (planted.length > 0 ? record.length : 0), nodes: graph.nodes.length };
}
