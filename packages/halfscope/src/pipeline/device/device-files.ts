import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { HalfType, PrecisionPlan, TensorTypes, Typing } from "@halfscope/core";
import type { LayerPin } from "@halfscope/engine";
import type { Node } from "@halfscope/onnx";
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
    this.full ??= this.write(
      { ...allHalf(bench.model.digest, "finite", bench.precision), defaultPrecision: "float32" },
      "reference",
      "keep",
    );
    return this.full;
  }

  /**
   * The model with every layer in FP16 but the pinned ones, constants finite. Inputs and outputs have the types that `debug` and the refined files give them: the journal
   * knows an engine by its pins, so one set of pins has to mean one file.
   */
  mixed(pins: readonly string[], name = "candidate"): Promise<string> {
    return this.write(planOf(this.bench, pins), name, this.bench.halfFace ? "convert" : "keep");
  }

  private async write(plan: PrecisionPlan, name: string, io: "keep" | "convert"): Promise<string> {
    const path = join(this.folder, `${name}-${this.written++}.onnx`);
    await applyPlan(await this.bench.subject(), plan, path, { progress: this.bench.progress, signal: this.bench.signal, io });
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

/**
 * The layers that a plan keeps in FP32. With FP32 as its default these are all that compute a float: engines are told of pins alone, and without any a weakly typed one would
 * put every layer in FP16.
 */
export async function pinsOf(bench: Workbench, { defaultPrecision, pins }: PrecisionPlan): Promise<string[]> {
  if (defaultPrecision !== "float32") return pins.map((p) => p.layer);
  const { types, view } = await bench.subject();
  return bench.layers.filter((l) => l.nodes.some((i) => computesFloat(view.nodes[i], types))).map((l) => l.id);
}

/** What a plan says that weakly typed engines are not told, for people; undefined where there is nothing. */
export const unheededBy = ({ constants }: PrecisionPlan, typing: Typing | undefined, file: string): string | undefined =>
  typing !== "weak" || constants === "finite"
    ? undefined
    : `Warning: "constants": "${constants}" in ${file} does not reach the engine: a weakly typed network is built from the FP32 model, and what becomes of constants beyond the range is the builder's own choice.`;

/** Constants are folded into what reads them. */
const computesFloat = (node: Node | undefined, types: TensorTypes): node is Node =>
  node !== undefined && !/^Constant/.test(node.opType) && node.outputs.some((t) => types.get(t)?.dtype === "float32");

/** Nodes of layers that compute a float, as weakly typed networks are told of them. */
export async function layerPins(bench: Workbench, layers: readonly string[], precision: LayerPin["precision"]): Promise<LayerPin[]> {
  const { types, view } = await bench.subject();
  const wanted = new Set(layers);
  const pins: LayerPin[] = [];
  for (const layer of bench.layers) {
    if (!wanted.has(layer.id)) continue;
    for (const index of layer.nodes) {
      const node = view.nodes[index];
      if (computesFloat(node, types)) pins.push({ node: networkName(node), precision });
    }
  }
  return pins;
}

export const halfWordOf = (type: HalfType): string => (type === "bfloat16" ? "BF16" : "FP16");
