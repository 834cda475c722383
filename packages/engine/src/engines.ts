import {
  type ErrorStats,
  type HalfType,
  isTensorValue,
  type Placement,
  type ProductSums,
  type TensorTypes,
  type TensorValue,
} from "@halfscope/core";
import type { GraphView, Model, Node } from "@halfscope/onnx";
import { OrtSession, type RunResult } from "./addon.js";
import { buildCandidateGraph } from "./candidate-graph.js";
import type { Cut } from "./cuts.js";
import type { Feed } from "./feeds/feed.js";
import { feedInput, feedInputs, GraphBuilder } from "./graph-builder.js";
import { buildPairGraph, type PairGraph, type PairGraphOptions } from "./pair-graph.js";
import { buildRestoredGraph, restoredSwitches } from "./restored-graph.js";

/** How every engine of a comparison runs: the same for all, or their bits cannot be compared. */
export interface EngineOptions {
  /** Threads inside one operator. Defaults to the number of cores, at most 8. */
  threads: number;
}

/** What an engine is built from. */
export interface EngineInput {
  model: Model;
  view: GraphView;
  types: TensorTypes;
  feedShapes: ReadonlyMap<string, readonly number[]>;
}

export const shapesOfFeed = (feed: Feed): ReadonlyMap<string, readonly number[]> =>
  new Map([...feed.tensors].flatMap(([name, value]) => (isTensorValue(value) ? [[name, value.dims] as const] : [])));

/** Float outputs of the model: what is judged. */
export const floatOutputs = (view: GraphView, types: TensorTypes): string[] =>
  view.graph.outputs.map((v) => v.name).filter((name) => judged.has(types.get(name)?.dtype));
const judged: ReadonlySet<string | undefined> = new Set(["float32", "float16", "bfloat16"]);

const session = (
  model: Model,
  bytes: Uint8Array,
  options: EngineOptions,
  counts: { switchCount: number; slotCount: number; decisionCount?: number; weights?: Parameters<typeof OrtSession.create>[0]["weights"] },
) =>
  OrtSession.create({
    model: bytes,
    folder: model.folder,
    threads: options.threads,
    // Anything more changes bits when tensors are observed, and folded or prepacked Casts differ from unfolded ones (DESIGN section 4).
    optimization: "disabled",
    prepacking: false,
    switchCount: counts.switchCount,
    slotCount: counts.slotCount,
    decisionCount: counts.decisionCount ?? 0,
    ...(counts.weights && { weights: counts.weights }),
  });

/** Feeds what the session has inputs for: behind a cut, some inputs of the model are no longer read. */
const feedAll = (target: OrtSession, feed: Pick<Feed, "tensors">) => {
  const known = new Set(target.inputs.map((i) => i.name));
  for (const [name, value] of feed.tensors) if (known.has(name)) target.setFeed(name, value);
};

/** Reference and candidate in one graph: measures every tensor in one run and stores none. */
export class EnginePair implements Disposable {
  private constructor(
    private readonly session: OrtSession,
    private readonly graph: PairGraph,
    private readonly switchCount: number,
    private readonly switches: Uint8Array,
  ) {}

  static async build(o: PairGraphOptions, options: EngineOptions): Promise<EnginePair> {
    const graph = buildPairGraph(o);
    const built = await session(o.model, graph.bytes, options, {
      switchCount: o.placements.length,
      slotCount: graph.compared.length,
      decisionCount: graph.decided.length,
    });
    return new EnginePair(built, graph, o.placements.length, o.switches);
  }

  get compared(): PairGraph["compared"] {
    return this.graph.compared;
  }
  get decided(): PairGraph["decided"] {
    return this.graph.decided;
  }
  get candidateName(): PairGraph["candidateName"] {
    return this.graph.candidateName;
  }

  /** One run. `compared[i]` says which tensor `stats[i]` is of; undefined for tensors in parts of the graph that did not run. */
  async run(
    feed: Feed,
    o: { signal?: AbortSignal | undefined; progress?: ((done: number) => void) | undefined; fetch?: readonly string[] } = {},
  ): Promise<PairRun> {
    feedAll(this.session, feed);
    const timer = o.progress && setInterval(() => o.progress?.(this.session.comparesDone()), 200);
    try {
      const result = await this.session.run({
        switches: this.switchCount === this.switches.length ? this.switches : new Uint8Array(this.switchCount),
        fetch: o.fetch ?? [],
        ...(o.signal && { signal: o.signal }),
      });
      return { ...result, stats: result.stats.map((s, i) => (result.executed[i] ? s : undefined)) };
    } finally {
      clearInterval(timer);
    }
  }

  [Symbol.dispose](): void {
    this.session.dispose();
  }
}
export interface PairRun extends Omit<RunResult, "stats"> {
  stats: (ErrorStats | undefined)[];
}

/** Something that gives the model's outputs for a setting of switches. */
export class OutputEngine implements Disposable {
  private constructor(
    private readonly session: OrtSession,
    private readonly fixedSwitches: Uint8Array | undefined,
    /** Outputs that are compared. */
    readonly outputs: readonly string[],
  ) {}

  /** The model as it is, with the same session options as every candidate: the reference, and the bare pass of the benches. */
  static async reference(o: EngineInput, options: EngineOptions, extraOutputs: readonly string[] = []): Promise<OutputEngine> {
    const builder = new GraphBuilder(o.model);
    for (const v of feedInputs(o.view)) feedInput(builder, v, o.feedShapes.get(v.name));
    for (const i of [...o.model.graph.initializers, ...o.model.graph.sparseInitializers]) builder.initializer(i);
    for (const node of o.view.mainOrder) builder.node(node.bytes);
    for (const v of o.view.graph.outputs) builder.output(v.name);
    for (const t of extraOutputs) builder.output(t);
    const built = await session(o.model, builder.finish(), options, { switchCount: 0, slotCount: 0 });
    return new OutputEngine(built, new Uint8Array(0), floatOutputs(o.view, o.types));
  }

  /** The candidate with a switch at every placement: every plan without a rebuild. */
  static async candidate(
    o: EngineInput & { placements: readonly Placement[]; cut?: Cut | undefined },
    options: EngineOptions,
  ): Promise<OutputEngine> {
    const graph = buildCandidateGraph(o);
    const built = await session(o.model, graph.bytes, options, { switchCount: o.placements.length, slotCount: 0, weights: graph.weights });
    return new OutputEngine(built, undefined, floatOutputs(o.view, o.types));
  }

  /** An FP16, bfloat16 or mixed file, emulated in FP32. */
  static async restored(
    o: EngineInput & {
      isMover: (node: Node, type: HalfType) => boolean;
      sumsOf?: ((node: Node) => ProductSums | undefined) | undefined;
      keepsFull?: ((node: Node) => boolean) | undefined;
    },
    options: EngineOptions,
    extraOutputs: readonly string[] = [],
  ): Promise<OutputEngine> {
    const built = await session(o.model, buildRestoredGraph({ ...o, extraOutputs }), options, {
      switchCount: restoredSwitches.length,
      slotCount: 0,
    });
    return new OutputEngine(built, restoredSwitches, floatOutputs(o.view, o.types));
  }

  setFeed(feed: Pick<Feed, "tensors">): void {
    feedAll(this.session, feed);
  }

  /** Values that later runs are compared with. */
  setReference(outputs: ReadonlyMap<string, TensorValue>): void {
    for (const [name, value] of outputs) this.session.setReference(name, value);
  }

  async outputsOf(o: { switches?: Uint8Array; fetch?: readonly string[]; signal?: AbortSignal | undefined } = {}): Promise<RunResult> {
    return this.session.run({ ...this.runOptions(o), fetch: o.fetch ?? this.outputs });
  }

  /** Error of each output against the reference values; needs setReference. With `values`, the outputs themselves too. */
  async evaluate(
    o: { switches?: Uint8Array; signal?: AbortSignal | undefined; values?: boolean } = {},
  ): Promise<{ stats: ReadonlyMap<string, ErrorStats>; outputs: ReadonlyMap<string, TensorValue>; seconds: number }> {
    const result = await this.session.run({ ...this.runOptions(o), compareOutputs: true, ...(o.values && { fetch: this.outputs }) });
    return { stats: result.outputStats, outputs: result.outputs, seconds: result.seconds };
  }

  [Symbol.dispose](): void {
    this.session.dispose();
  }

  private runOptions(o: { switches?: Uint8Array; signal?: AbortSignal | undefined }) {
    const switches = this.fixedSwitches ?? o.switches;
    return { ...(switches && { switches }), ...(o.signal && { signal: o.signal }) };
  }
}
