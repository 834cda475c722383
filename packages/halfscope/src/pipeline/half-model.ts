import { rmSync } from "node:fs";
import { mkdtemp, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HalfType, TensorTypes } from "@halfscope/core";
import { convertFromHalf, inferTypes, mentions } from "@halfscope/engine";
import { checkExternalData, type GraphView, type Model, type Node, readModel, unfoldModel, writeRope } from "@halfscope/onnx";
import { isHalfType, movedInputs, restoreModel, widenBfloat } from "@halfscope/precision";

/** A model that is in FP16 or bfloat16 already, with the FP32 model that is measured in its place. */
export interface HalfModel extends Disposable {
  /** The restoration, under the path and digest of the file. */
  readonly model: Model;
  /** The file itself. */
  readonly file: { readonly view: GraphView; readonly types: TensorTypes };
  /** What it computes in: FP16 when any of it is. */
  readonly type: HalfType;
}

/**
 * Writes the FP32 restoration of an FP16, bfloat16 or mixed-precision file into a folder of its own, which goes away with the result. undefined for models that compute
 * nothing in these types; with `storedToo` only for those without any tensor in them. Weights take twice their size on disk; nothing is held in memory.
 */
export async function restoreHalfModel(
  model: Model,
  view: GraphView,
  { signal, storedToo = false }: { signal?: AbortSignal | undefined; storedToo?: boolean } = {},
): Promise<HalfModel | undefined> {
  if (!mentions(view, "float16") && !mentions(view, "bfloat16")) return undefined;
  checkExternalData(model);
  const types = await inferTypes(model, view);
  const isHalf = (t: string) => isHalfType(types.get(t)?.dtype);
  const computes = (node: Node) => node.opType !== "Cast" && node.opType !== "Constant" && movedInputs(node) === undefined;
  if (!(storedToo ? [...types.keys()].some(isHalf) : view.order.some((n) => computes(n) && n.outputs.some(isHalf)))) return undefined;
  const folder = await realpath(await mkdtemp(join(tmpdir(), "halfscope-fp32-")));
  const remove = () => {
    process.off("exit", remove);
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", remove);
  try {
    const externalName = "model.onnx.data";
    const { rope, external } = restoreModel({
      model,
      view,
      types,
      fromHalf: async (bytes, type) => (type === "float16" ? convertFromHalf(bytes) : widenBfloat(bytes)),
      externalName,
    });
    if (external !== undefined) await writeRope(join(folder, externalName), external, { signal });
    await writeRope(join(folder, "model.onnx"), rope, { signal });
    const restored = unfoldModel(await readModel(join(folder, "model.onnx")));
    return {
      model: { ...restored, path: model.path, digest: model.digest, sizeBytes: model.sizeBytes },
      file: { view, types },
      type: [...types.values()].some((t) => t.dtype === "float16") ? "float16" : "bfloat16",
      [Symbol.dispose]: remove,
    };
  } catch (error) {
    remove();
    throw error;
  }
}
