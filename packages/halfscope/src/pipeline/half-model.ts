import { rmSync } from "node:fs";
import { mkdtemp, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TensorTypes } from "@halfscope/core";
import { convertFromHalf, inferTypes } from "@halfscope/engine";
import { checkExternalData, type GraphView, type Model, type Node, readModel, unfoldModel, writeRope } from "@halfscope/onnx";
import { movedInputs, restoreModel } from "@halfscope/precision";

/** A model that is in FP16 already, with the FP32 model that is measured in its place. */
export interface HalfModel extends Disposable {
  /** The restoration, under the path and digest of the file. */
  readonly model: Model;
  /** The file itself. */
  readonly file: { readonly view: GraphView; readonly types: TensorTypes };
}

/**
 * Writes the FP32 restoration of an FP16 or mixed-precision file into a folder of its own, which goes away with the result. undefined for models that compute
 * nothing in FP16; with `storedToo` only for those without any tensor in FP16. Weights take twice their size on disk; nothing is held in memory.
 */
export async function restoreHalfModel(
  model: Model,
  view: GraphView,
  { signal, storedToo = false }: { signal?: AbortSignal | undefined; storedToo?: boolean } = {},
): Promise<HalfModel | undefined> {
  if (!mentionsHalf(model, view)) return undefined;
  checkExternalData(model);
  const types = await inferTypes(model, view);
  const isHalf = (t: string) => types.get(t)?.dtype === "float16";
  const computes = (node: Node) => node.opType !== "Cast" && node.opType !== "Constant" && movedInputs(node) === undefined;
  if (!(storedToo ? [...types.keys()].some(isHalf) : view.order.some((n) => computes(n) && n.outputs.some(isHalf)))) return undefined;
  const folder = await realpath(await mkdtemp(join(tmpdir(), "halfscope-fp32-")));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  try {
    const externalName = "model.onnx.data";
    const { rope, external } = restoreModel({ model, view, types, fromHalf: convertFromHalf, externalName });
    if (external !== undefined) await writeRope(join(folder, externalName), external, { signal });
    await writeRope(join(folder, "model.onnx"), rope, { signal });
    const restored = unfoldModel(await readModel(join(folder, "model.onnx")));
    return {
      model: { ...restored, path: model.path, digest: model.digest, sizeBytes: model.sizeBytes },
      file: { view, types },
      [Symbol.dispose]: () => {
        process.off("exit", remove);
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Whether anything says FP16: a look at the file, without ONNX Runtime. */
function mentionsHalf(model: Model, view: GraphView): boolean {
  const values = [...model.graph.inputs, ...model.graph.outputs, ...model.graph.valueInfos];
  if (values.some((v) => v.dtype === "float16")) return true;
  if ([...view.initializers.values()].some((i) => i.dtype === "float16")) return true;
  return view.order.some(
    (n) => n.opType === "Cast" && (n.attributes.get("to")?.int === 10 || n.attributes.get("to")?.string === "FLOAT16"),
  );
}
