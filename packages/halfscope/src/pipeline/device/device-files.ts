import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { HalfType, PrecisionPlan } from "@halfscope/core";
import type { LayerPin } from "@halfscope/engine";
import { allHalf, withPins } from "@halfscope/precision";
import { applyPlan } from "../apply.js";
import type { Workbench } from "../workbench.js";

/** ONNX files that engines are built from: the person's own where it is the model that was measured, else written for the time of the work. */
export class DeviceFiles {
  private full: Promise<string> | undefined;
  private written = 0;

  constructor(
    private readonly bench: Workbench,
    /** A folder that goes away with `remove`. */
    private readonly folder: string,
  ) {}

  /** The FP32 model. A file that is in FP16 already, or of which functions were inlined, is not what was measured: then that is written. */
  reference(): Promise<string> {
    const { bench } = this;
    if (bench.half === undefined && bench.model.expansions === undefined) return Promise.resolve(bench.model.path);
    this.full ??= this.write({ ...allHalf(bench.model.digest, "finite", bench.precision), defaultPrecision: "float32" }, "reference");
    return this.full;
  }

  /** The model with every layer in FP16 but the pinned ones, constants finite, inputs and outputs in FP32. */
  mixed(pins: readonly string[], name = "candidate"): Promise<string> {
    return this.write(planOf(this.bench, pins), name);
  }

  private async write(plan: PrecisionPlan, name: string): Promise<string> {
    const path = join(this.folder, `${name}-${this.written++}.onnx`);
    await applyPlan(await this.bench.subject(), plan, path, { progress: this.bench.progress, signal: this.bench.signal });
    return path;
  }

  /** One file that is no longer needed, with its weights. */
  async drop(path: string): Promise<void> {
    if (dirname(path) !== this.folder) return;
    for (const file of [path, `${path}.data`]) await rm(file, { force: true });
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

export const planOf = (bench: Workbench, pins: readonly string[]): PrecisionPlan =>
  withPins(allHalf(bench.model.digest, "finite", bench.precision), pins);

/** The name that TensorRT's parser gives the network layer of a node: its own, or one made from its first output. */
export const networkName = (node: { name: string; outputs: readonly string[] }): string => node.name || `node_of_${node.outputs[0] ?? ""}`;

/** Nodes of layers that compute a float, as weakly typed networks are told of them. Constants are folded into what reads them. */
export async function layerPins(bench: Workbench, layers: readonly string[], precision: LayerPin["precision"]): Promise<LayerPin[]> {
  const { types, view } = await bench.subject();
  const wanted = new Set(layers);
  const pins: LayerPin[] = [];
  for (const layer of bench.layers) {
    if (!wanted.has(layer.id)) continue;
    for (const index of layer.nodes) {
      const node = view.nodes[index];
      if (node === undefined || /^Constant/.test(node.opType) || !node.outputs.some((t) => types.get(t)?.dtype === "float32")) continue;
      pins.push({ node: networkName(node), precision });
    }
  }
  return pins;
}

export const halfWordOf = (type: HalfType): string => (type === "bfloat16" ? "BF16" : "FP16");
