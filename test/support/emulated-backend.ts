/**
 * A real engine's face over the emulation: each file that it builds is run as `--like tensorrt` says, on the CPU. Its numbers are what a GPU's would be if every prediction were
 * right, and what is planted makes some of them wrong, so that tests see whether a disagreement is told.
 */
import {
  type DeviceEnvironment,
  type EngineLayer,
  type EngineMessage,
  type ErrorStats,
  type FeedValue,
  isTensorValue,
  type TensorTypes,
  type TensorValue,
} from "@halfscope/core";
import {
  compareTensors,
  convertFromHalf,
  type DeviceBackend,
  type DeviceBuildRequest,
  type DeviceEngine,
  type Feed,
  inferTypes,
  OutputEngine,
  shapesOfFeed,
} from "@halfscope/engine";
import { type GraphView, listLayers, type Model, readModel, unfoldModel, viewGraph } from "@halfscope/onnx";
import { engineProfile, keptFullBy, movedInputs, productSums } from "@halfscope/precision";

export interface Planted {
  /** Final outputs of FP16 engines are this much further from the reference's. */
  outputs?: number;
  /** The same of single tensors' errors, as `compare` tells them. */
  tensors?: Readonly<Record<string, number>>;
  /** The reference's outputs are larger by this share. */
  reference?: number;
  /** Nodes that run in FP16 whatever the file says, as the engine's layers tell. */
  ignored?: readonly string[];
  messages?: readonly EngineMessage[];
  environment?: Partial<DeviceEnvironment>;
  /** Called before each build; what it throws, the build throws. */
  onBuild?: (request: DeviceBuildRequest) => void;
}

export class EmulatedBackend implements DeviceBackend {
  readonly environment: DeviceEnvironment;
  readonly built: DeviceBuildRequest[] = [];
  /** Engines that nobody has disposed of. */
  alive = 0;
  disposed = false;
  /** Outputs of the reference, by sample. */
  readonly references = new Map<string, Map<string, TensorValue>>();

  constructor(readonly plant: Planted = {}) {
    this.environment = {
      backend: "tensorrt",
      library: "TensorRT",
      version: "10.6.0",
      gpu: "an emulated GPU",
      computeCapability: "9.0",
      capabilities: {
        typings: ["typed"],
        profiles: true,
        debugTensors: false,
        unfusedTensors: false,
        strictNans: true,
        layerTimes: true,
        realHalf: true,
      },
      ...plant.environment,
    };
  }

  async build(request: DeviceBuildRequest): Promise<DeviceEngine> {
    this.plant.onBuild?.(request);
    this.built.push(request);
    const model = unfoldModel(await readModel(request.path));
    this.alive++;
    return new EmulatedEngine(this, request, model, viewGraph(model.graph));
  }

  async compare(
    reference: DeviceEngine,
    candidate: DeviceEngine,
    feed: Pick<Feed, "tensors">,
    tensors: readonly string[],
  ): ReturnType<DeviceBackend["compare"]> {
    const start = performance.now();
    const [a, b] = [await reference.run(feed, { fetch: tensors }), await candidate.run(feed, { fetch: tensors })];
    const stats = new Map<string, ErrorStats>();
    for (const name of tensors) {
      const [r, c] = [a.get(name), b.get(name)];
      const factor = this.plant.tensors?.[name] ?? 1;
      if (r !== undefined && c !== undefined) stats.set(name, await compareTensors(r, factor === 1 ? c : further(r, c, factor)));
    }
    return { stats, notCompared: [], seconds: (performance.now() - start) / 1000 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disposed = true;
  }
}

const threads = 2;
const keyOf = (feed: Pick<Feed, "tensors">): string =>
  JSON.stringify([...feed.tensors].map(([n, v]) => [n, "data" in v ? Buffer.from(v.data).toString("base64") : ""]));

class EmulatedEngine implements DeviceEngine {
  readonly label: string;
  readonly buildSeconds = 1.5;
  readonly planBytes = 3;
  readonly notObserved = [];
  readonly placement = undefined;
  private engine: Promise<OutputEngine> | undefined;
  private types: TensorTypes = new Map();

  constructor(
    private readonly backend: EmulatedBackend,
    private readonly request: DeviceBuildRequest,
    private readonly model: Model,
    private readonly view: GraphView,
  ) {
    this.label = request.label;
  }

  get messages() {
    return this.request.precision.kind === "full" ? [] : (this.backend.plant.messages ?? []);
  }
  get inputs() {
    return this.view.graph.inputs
      .filter((i) => !this.view.initializers.has(i.name))
      .map((i) => ({ name: i.name, dtype: i.dtype, dims: [] }));
  }
  get outputs() {
    return this.view.graph.outputs.map((o) => ({ name: o.name, dtype: o.dtype, dims: [] }));
  }

  private async open(feed: Pick<Feed, "tensors">): Promise<OutputEngine> {
    this.engine ??= this.create(feed);
    return this.engine;
  }

  private async create(feed: Pick<Feed, "tensors">): Promise<OutputEngine> {
    const { model, view, request } = this;
    const feedShapes = shapesOfFeed(feed as Feed);
    this.types = await inferTypes(model, view, feedShapes);
    const input = { model, view, types: this.types, feedShapes };
    const extra = request.observe?.tensors ?? [];
    if (request.precision.kind === "full") return OutputEngine.reference(input, { threads }, extra);
    const profile = engineProfile("tensorrt");
    const isMover = (...of: Parameters<typeof movedInputs>) => movedInputs(...of) !== undefined;
    const sums = { sumsOf: productSums(profile, input), keepsFull: keptFullBy(profile, { ...input, layers: listLayers(model, view) }) };
    return OutputEngine.restored({ ...input, isMover, ...sums }, { threads }, extra);
  }

  async run(feed: Pick<Feed, "tensors">, o: { fetch?: readonly string[] } = {}): Promise<Map<string, TensorValue>> {
    const engine = await this.open(feed);
    engine.setFeed({ tensors: await widened(feed.tensors) });
    const { outputs } = await engine.outputsOf(o.fetch === undefined ? {} : { fetch: o.fetch });
    const { plant, references } = this.backend;
    const known = references.get(keyOf(feed)) ?? new Map<string, TensorValue>();
    const own = this.outputs.map((x) => x.name);
    if (this.request.precision.kind === "full") {
      for (const [n, v] of outputs) if (plant.reference !== undefined) outputs.set(n, scaled(v, 1 + plant.reference));
      references.set(keyOf(feed), new Map([...known, ...outputs]));
    } else if (plant.outputs !== undefined)
      for (const name of own) {
        const [r, c] = [known.get(name), outputs.get(name)];
        if (r !== undefined && c !== undefined) outputs.set(name, further(r, c, plant.outputs));
      }
    return outputs;
  }

  /** The more nodes are in FP32, the slower. */
  async time(feed: Pick<Feed, "tensors">) {
    await this.run(feed);
    const { nodes } = this.model.graph;
    const half = nodes.filter((n) => this.types.get(n.outputs[0] ?? "")?.dtype === "float16").length;
    const milliseconds = Float64Array.from({ length: 20 }, (_, i) => 4 - (3 * half) / nodes.length + i / 1000);
    return { milliseconds, wallMilliseconds: milliseconds.reduce((a, b) => a + b, 0) };
  }

  /** A layer per node. */
  async layers(feed?: Pick<Feed, "tensors">): Promise<readonly EngineLayer[]> {
    if (feed !== undefined) await this.open(feed);
    const ignored = new Set(this.backend.plant.ignored);
    return this.view.nodes.map(({ name, opType, inputs, outputs }): EngineLayer => {
      const typeOf = (t: string) => (ignored.has(name) ? "float16" : (this.types.get(t)?.dtype ?? "unknown"));
      const border = (t: string) => ({ name: t, dtype: typeOf(t), dims: [], format: "Row major linear" });
      const dtype = typeOf(outputs[0] ?? "");
      return {
        name,
        kind: opType,
        nodes: [name],
        inputs: inputs.filter((t) => t !== "").map(border),
        outputs: outputs.map(border),
        computes: dtype === "float16" || dtype === "float32" ? dtype : "integer",
        milliseconds: 0.001,
      };
    });
  }

  async serialize(): Promise<Uint8Array> {
    return Uint8Array.of(1, 2, 3);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.backend.alive--;
    (await this.engine)?.[Symbol.dispose]();
  }
}

/** The emulation of a file that takes FP16 is fed with FP32, and rounds for itself. */
async function widened(tensors: ReadonlyMap<string, FeedValue>): Promise<Map<string, FeedValue>> {
  const full = new Map(tensors);
  for (const [name, v] of tensors)
    if (isTensorValue(v) && v.dtype === "float16") full.set(name, { dtype: "float32", dims: v.dims, data: await convertFromHalf(v.data) });
  return full;
}

const floatsIn = ({ data }: TensorValue): Float32Array => new Float32Array(data.slice().buffer);
const toValue = (like: TensorValue, values: Float32Array): TensorValue => ({ ...like, data: new Uint8Array(values.buffer) });
const scaled = (value: TensorValue, factor: number): TensorValue =>
  value.dtype === "float32"
    ? toValue(
        value,
        floatsIn(value).map((x) => x * factor),
      )
    : value;

/** The candidate moved away from the reference. */
function further(reference: TensorValue, candidate: TensorValue, factor: number): TensorValue {
  const r = floatsIn(reference);
  const moved = floatsIn(candidate).map((c, i) => (r[i] ?? 0) + factor * (c - (r[i] ?? 0)));
  return toValue(candidate, moved);
}
