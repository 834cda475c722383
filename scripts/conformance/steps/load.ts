/** Reading, rewriting, listing, and whether ONNX Runtime takes the file as it is. */
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Layer } from "@halfscope/core";
import { HalfscopeError } from "@halfscope/core";
import { OrtSession } from "@halfscope/engine";
import {
  checkExternalData,
  type GraphView,
  listLayers,
  type Model,
  readModel,
  readSpan,
  rewriteModel,
  unfoldModel,
  viewGraph,
} from "@halfscope/onnx";
import { Refused, Wrong } from "./verdicts.js";

export interface Read {
  model: Model;
  view: GraphView;
}

/** Reads the model, and writes it unchanged: every byte must come back. */
export async function readStep(path: string): Promise<Read> {
  const model = await readModel(path);
  const original = await readFile(path);
  let at = 0;
  for (const piece of rewriteModel(model)) {
    if ("convert" in piece) throw new Wrong("rewriting unchanged converts something");
    for await (const chunk of piece instanceof Uint8Array ? [piece] : readSpan(piece)) {
      if (!original.subarray(at, at + chunk.length).equals(chunk))
        throw new Wrong(`rewritten unchanged, the file differs in the bytes from ${at} on`);
      at += chunk.length;
    }
  }
  if (at !== original.length) throw new Wrong(`rewritten unchanged, the file has ${at} bytes instead of ${original.length}`);
  // Everything behind works on the unfolded model; that its outputs equal the untouched file's, bit for bit, proves that unfolding changes nothing.
  const unfolded = unfoldModel(model);
  return { model: unfolded, view: viewGraph(unfolded.graph) };
}

/** Every node belongs to one layer, and no two layers share an id. */
export function listStep(model: Model): readonly Layer[] {
  const layers = listLayers(model);
  const ids = new Set(layers.map((l) => l.id));
  if (ids.size !== layers.length) throw new Wrong(`${layers.length} layers have ${ids.size} ids`);
  const nodes = layers.flatMap((l) => l.nodes);
  if (new Set(nodes).size !== nodes.length) throw new Wrong("a node belongs to two layers");
  const listed = new Set(nodes);
  const missing = viewGraph(model.graph).order.filter((n) => !listed.has(n.index));
  if (missing.length > 0) throw new Wrong(`${missing.length} nodes belong to no layer, ${missing[0]?.opType} for one`);
  return layers;
}

export interface Loaded extends Read {
  /** The file as it is, with the options that all of halfscope's engines have. */
  raw: () => Promise<OrtSession>;
}

export const rawSession = async (path: string): Promise<OrtSession> =>
  OrtSession.create({
    model: await readFile(path),
    folder: dirname(path),
    threads: 1,
    optimization: "disabled",
    prepacking: false,
    switchCount: 0,
    slotCount: 0,
  });

/** Asks ONNX Runtime for its opinion of the file, untouched by halfscope. Throws Refused with its words. */
export async function loadStep({ model, view }: Read): Promise<Loaded> {
  checkExternalData(model);
  const raw = () =>
    rawSession(model.path).catch((error: unknown) => {
      if (!(error instanceof HalfscopeError) || error.code !== "ERR_ENGINE_BUILD") throw error;
      throw new Refused(error.message.replace("Building the session failed: ", ""), { cause: error });
    });
  (await raw()).dispose();
  return { model, view, raw };
}
