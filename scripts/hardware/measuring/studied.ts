/** A model under study: its feed, its float tensors, its FP16 forms as files and as pins. */
import { mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
  type BackendName,
  type ConstantPolicy,
  type EngineName,
  isFloat,
  isTensorValue,
  type PrecisionPlan,
  type Progress,
  type SumType,
} from "@halfscope/core";
import { type DeviceBuildOptions, type Feed, inferTypes, type LayerPin, type OptimizationProfile, shapesOfFeed } from "@halfscope/engine";
import { type Node, readModel, viewGraph } from "@halfscope/onnx";
import { allHalf, withPins } from "@halfscope/precision";
import { applyPlan, layerPins, Workbench } from "halfscope";

/** What predicts an engine. */
export const likeOf = (backend: BackendName): EngineName =>
  backend === "tensorrt" || backend === "ort-tensorrt" ? "tensorrt" : "ort-cuda";

/** Names of steps on standard error, with their seconds. */
export const spoken: Progress = {
  step: () => ({ update() {}, end() {} }),
  note: (message) => console.error(message),
};

export interface StudyOptions {
  like: EngineName;
  /** By input; those of inputs that the model lacks are ignored. */
  shapes?: Readonly<Record<string, readonly number[]>>;
  feeds?: readonly string[];
  /** Made-up samples. Defaults to 1. */
  samples?: number;
  /** How products sum, in place of the engine's way. */
  accumulation?: SumType;
}

export class Studied implements Disposable {
  private constructor(
    readonly bench: Workbench,
    readonly path: string,
  ) {}

  static async open(path: string, { like, shapes, feeds, samples = 1, accumulation }: StudyOptions): Promise<Studied> {
    const known = new Set(viewGraph((await readModel(path)).graph).graph.inputs.map((i) => i.name));
    const own = Object.fromEntries(Object.entries(shapes ?? {}).filter(([name]) => known.has(name)));
    const inputs = feeds?.length ? { feeds } : { ...(Object.keys(own).length > 0 && { shapes: own }), samples };
    return new Studied(
      await Workbench.open(path, { like, ...inputs, ...(accumulation && { profile: { accumulation } }), progress: spoken }),
      path,
    );
  }

  get feed(): Feed {
    return this.bench.feeds[0];
  }

  /** For results: the folder's name where the file is called model.onnx. */
  get name(): string {
    const file = basename(this.path, ".onnx");
    return file === "model" ? basename(dirname(this.path)) : file;
  }

  /** Float tensors that nodes of the main graph compute, in graph order. Constants are no layers' results: engines fold them, and some cannot be outputs. */
  async floatTensors(): Promise<string[]> {
    const types = await inferTypes(this.bench.model, this.bench.view, shapesOfFeed(this.feed));
    return this.bench.view.mainOrder
      .filter((n) => n.opType !== "Constant")
      .flatMap((n) => n.outputs)
      .filter((t) => t !== "" && isFloat(types.get(t)?.dtype ?? "undefined"));
  }

  /** Final outputs that are floats. */
  async floatOutputs(): Promise<string[]> {
    const { types } = await this.bench.subject();
    return this.bench.view.graph.outputs.map((v) => v.name).filter((name) => isFloat(types.get(name)?.dtype ?? "undefined"));
  }

  /** Sizes of the feed as the only ones that are served; none where every input is of one size anyway. */
  profiles(): readonly OptimizationProfile[] {
    const open = new Set(this.bench.view.graph.inputs.filter((i) => i.dims?.some((d) => d.size === undefined) ?? true).map((i) => i.name));
    const inputs = [...this.feed.tensors].flatMap(([name, value]) =>
      open.has(name) && isTensorValue(value) ? [[name, { min: value.dims, opt: value.dims, max: value.dims }] as const] : [],
    );
    return inputs.length === 0 ? [] : [{ inputs: Object.fromEntries(inputs) }];
  }

  plan(pins: readonly string[], constants: ConstantPolicy = "finite"): PrecisionPlan {
    return withPins(allHalf(this.bench.model.digest, constants), pins, "asked for");
  }

  /** The model with these layers in FP32 and the others in FP16, as `halfscope apply` writes it. */
  async halfFile(folder: string, name: string, pins: readonly string[], constants: ConstantPolicy = "finite"): Promise<string> {
    await mkdir(folder, { recursive: true });
    const made = await applyPlan(await this.bench.subject(), this.plan(pins, constants), join(folder, `${name}.onnx`), {
      progress: this.bench.progress,
    });
    return made.path;
  }

  /** The same for a weakly typed network, as `halfscope debug` names it. Without `pins`, every node is asked for in FP16. */
  weakPins(pins?: readonly string[]): Promise<LayerPin[]> {
    if (pins !== undefined) return layerPins(this.bench, pins, "float32");
    const all = this.bench.layers.map((l) => l.id);
    return layerPins(this.bench, all, "float16");
  }

  [Symbol.dispose](): void {
    this.bench[Symbol.dispose]();
  }
}

/** What TensorRT's parser calls a node: its name, or one made of its first output. */
export const nodeNameOf = (node: Node | undefined): string[] =>
  node === undefined ? [] : [node.name === "" ? `node_of_${node.outputs[0] ?? ""}` : node.name];

export const buildOptions = (o: { "timing-cache"?: string | undefined; "builder-level"?: number | undefined }): DeviceBuildOptions => ({
  ...(o["timing-cache"] !== undefined && { timingCache: o["timing-cache"] }),
  ...(o["builder-level"] !== undefined && { optimizationLevel: o["builder-level"] }),
});
