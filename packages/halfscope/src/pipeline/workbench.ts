import { availableParallelism } from "node:os";
import {
  classRule,
  type Evaluate,
  type Metric,
  OutputJudge,
  paddingMasks,
  paddingRule,
  prepareSubject,
  type Subject,
  scoreOutputs,
} from "@halfscope/analysis";
import {
  type EngineName,
  type ErrorStats,
  HalfscopeError,
  type HalfType,
  type Hazard,
  InputError,
  type Judgement,
  type Layer,
  type ProfileChanges,
  type Progress,
  silentProgress,
  type TensorValue,
} from "@halfscope/core";
import { type Feed, feedSignature, floatOutputs, inferTypes, loadFeeds, makeFeeds, OutputEngine, shapesOfFeed } from "@halfscope/engine";
import { type FileSpan, type GraphView, listLayers, type Model, readModel, unfoldModel, viewGraph } from "@halfscope/onnx";
import {
  type EngineProfile,
  engineProfile,
  findHazards,
  type HalfLoss,
  isHalfType,
  nonDeterministic,
  type Range,
  type RestoredPlan,
  restorePlan,
} from "@halfscope/precision";
import { type HalfModel, restoreHalfModel } from "./half-model.js";
import { scanWeight } from "./weight-scan.js";

export interface WorkbenchOptions {
  /** Feeds as `--feed` names them; made up from the graph when absent. */
  feeds?: readonly string[];
  /** Sizes of symbolic dimensions, by symbol or `input:axis`; whole shapes by input. */
  dims?: Readonly<Record<string, number>>;
  shapes?: Readonly<Record<string, readonly number[]>>;
  /** Made-up samples; pins are chosen on the first and checked on the others. Defaults to 2. */
  samples?: number;
  /** Defaults to 1. */
  seed?: number;
  /** Defaults to the number of cores, at most 8. */
  threads?: number;
  /** What candidates compute in. Defaults to FP16; a file that is in one of the two already is measured in that. */
  precision?: HalfType | undefined;
  /** Engine that candidates behave like. Defaults to PyTorch: FP32 sums, constants as a plain cast writes them. */
  like?: EngineName | undefined;
  /** Parts of that engine's profile that are set otherwise. */
  profile?: ProfileChanges | undefined;
  /** Judges final outputs in place of relative L2. */
  metric?: UserMetric | undefined;
  /** Judge padded positions too. Defaults to false: what a mask input marks as padding has no say. */
  keepPadding?: boolean | undefined;
  /** Write out nodes that hide roundings (Attention). Defaults to true. */
  expandNodes?: boolean;
  progress?: Progress;
  signal?: AbortSignal;
}

/** A figure of the user's own, and what names it in journals. */
export interface UserMetric {
  path: string;
  /** SHA-256 of the file. */
  digest: string;
  judge: Metric;
}

/** A model open for work, with its feeds. What is costly is made when first asked for, once per shape of feed. */
export class Workbench implements Disposable {
  private readonly subjects = new Map<string, Subject>();
  private readonly engines = new Map<string, { engine: OutputEngine; feed: Feed | undefined }>();
  private readonly references = new Map<Feed, ReferenceRun>();
  private readonly judges = new Map<Feed, OutputJudge>();
  private readonly scanned = new Map<FileSpan | Uint8Array, Promise<HalfLoss>>();
  private readonly closing = new AbortController();

  private constructor(
    readonly model: Model,
    readonly view: GraphView,
    readonly layers: readonly Layer[],
    readonly feeds: readonly [Feed, ...Feed[]],
    readonly options: WorkbenchOptions,
    /** The file itself, when it is in FP16 or bfloat16 already: `model` is then its FP32 restoration. */
    readonly half: HalfModel | undefined,
  ) {
    this.profile = engineProfile(options.like ?? "pytorch", options.profile);
  }

  static async open(path: string, options: WorkbenchOptions = {}): Promise<Workbench> {
    const file = unfoldModel(await readModel(path), { expand: options.expandNodes ?? true });
    const half = await restoreHalfModel(file, viewGraph(file.graph), { signal: options.signal });
    try {
      const model = half?.model ?? file;
      const view = viewGraph(model.graph);
      const { dims, shapes, seed = 1, samples = 2 } = options;
      const sizes = { ...(dims && { dims }), ...(shapes && { shapes }) };
      const feeds = options.feeds?.length
        ? await loadFeeds(options.feeds, feedSignature(view), sizes)
        : makeFeeds(model, view, { ...sizes, seed, samples });
      const [first, ...others] = feeds;
      if (first === undefined)
        throw new InputError("ERR_FEED", "No sample was given.", {
          hint: "Name a file or folder with --feed, or leave it out to use made-up feeds.",
        });
      return new Workbench(model, view, listLayers(model, view), [first, ...others], options, half);
    } catch (error) {
      half?.[Symbol.dispose]();
      throw error;
    }
  }

  get progress(): Progress {
    return this.options.progress ?? silentProgress;
  }
  get signal(): AbortSignal | undefined {
    return this.options.signal;
  }
  get threads(): number {
    return this.options.threads ?? Math.min(8, availableParallelism());
  }

  /** What candidates compute in. */
  get precision(): HalfType {
    return this.half?.type ?? this.options.precision ?? "float16";
  }

  /** What candidates behave like. */
  readonly profile: EngineProfile;

  async subject(feed: Feed = this.feeds[0]): Promise<Subject> {
    const key = shapeKey(feed);
    const known = this.subjects.get(key);
    if (known !== undefined) return known;
    const subject = await prepareSubject(
      this.model,
      feed,
      { threads: this.threads },
      { view: this.view, layers: this.layers, type: this.precision, profile: this.profile },
    ).catch((error: unknown) => this.blameFeed(error, feed));
    this.subjects.set(key, subject);
    return subject;
  }

  /** When ONNX Runtime refuses the model with this feed's shapes but takes it without, the feed is what is wrong. */
  private async blameFeed(error: unknown, feed: Feed): Promise<never> {
    if (!(error instanceof HalfscopeError) || error.code !== "ERR_ENGINE_BUILD") throw error;
    await inferTypes(this.model, this.view).catch(() => {
      throw error;
    });
    const shapes = [...shapesOfFeed(feed)].map(([name, dims]) => `"${name}" [${dims.join(", ")}]`).join(", ");
    throw new InputError("ERR_FEED", `The shapes of the inputs do not fit together in this model: ${shapes}. ${error.message}`, {
      hint: "Give inputs of shapes that belong together, or sizes with --dim and --shape.",
      cause: error,
    });
  }

  /** The file takes or gives FP16 or bfloat16 tensors itself, and what is made from it should too. */
  get halfFace(): boolean {
    const { graph } = this.half?.file.view ?? this.view;
    return [...graph.inputs, ...graph.outputs].some((v) => isHalfType(v.dtype));
  }

  /** What a file that is in FP16 already keeps in FP32, as a plan for its restoration; undefined for FP32 models. */
  async ownPlan(): Promise<RestoredPlan | undefined> {
    return this.half && restorePlan(this.half.file, (await this.subject()).roundings);
  }

  /** Static hazards, and with measured ranges those that depend on them. Weights are scanned once. */
  async hazards(range?: Range): Promise<Hazard[]> {
    const { floats } = (await this.subject()).roundings;
    const weights = [...floats.roots.values()].filter((r) => r.kind === "weight" && r.edges.length > 0).length;
    const step = this.allScanned ? undefined : this.progress.step("Scanning weights", weights);
    let done = 0;
    const found = await this.findHazards(range, () => step?.update(++done));
    this.allScanned = true;
    step?.end();
    return found;
  }
  private allScanned = false;

  /** Begins to scan the weights while something else is awaited: engines are built on one core, and the other is free. `hazards` tells what goes wrong. */
  scanAhead(): void {
    this.findHazards(undefined, () => undefined).catch(() => undefined);
  }

  private async findHazards(range: Range | undefined, scanned: () => void): Promise<Hazard[]> {
    const { roundings, types } = await this.subject();
    const signal = this.signal === undefined ? this.closing.signal : AbortSignal.any([this.signal, this.closing.signal]);
    return findHazards({
      view: this.view,
      layers: this.layers,
      floats: roundings.floats,
      types,
      ...(range && { range }),
      scan: async (source) => {
        const known = this.scanned.get(source) ?? scanWeight(source, signal);
        this.scanned.set(source, known);
        const loss = await known;
        scanned();
        return loss;
      },
    });
  }

  /** Outputs of the reference for a sample, and how long a bare pass took (the faster of two). */
  async reference(feed: Feed = this.feeds[0]): Promise<ReferenceRun> {
    const known = this.references.get(feed);
    if (known !== undefined) return known;
    await this.requireFloatOutputs();
    const subject = await this.subject(feed);
    const start = performance.now();
    using engine = await OutputEngine.reference(subject, { threads: this.threads });
    const buildSeconds = (performance.now() - start) / 1000;
    engine.setFeed(feed);
    const first = await engine.outputsOf({ signal: this.signal });
    requireFinite(first.outputs);
    const second = await engine.outputsOf({ signal: this.signal });
    this.requireRepeatable(first.outputs, second.outputs);
    const run = { outputs: first.outputs, barePassSeconds: Math.min(first.seconds, second.seconds), buildSeconds };
    this.references.set(feed, run);
    return run;
  }

  /** Where the outputs hang on random numbers, an error of theirs is the draw's and no rounding's. */
  private requireRepeatable(first: ReadonlyMap<string, TensorValue>, second: ReadonlyMap<string, TensorValue>): void {
    const differs = [...first].find(([name, value]) => !Buffer.from(value.data).equals(second.get(name)?.data ?? Buffer.alloc(0)))?.[0];
    if (differs === undefined) return;
    const drawing = this.view.order.filter((n) => nonDeterministic(n, this.model.opsets));
    const who = drawing.length === 0 ? "" : ` (${[...new Set(drawing.map((n) => n.opType))].slice(0, 5).join(", ")})`;
    throw new InputError(
      "ERR_REFERENCE_RANDOM",
      `The final outputs cannot be judged: output "${differs}" is another one in each run of the reference. The model draws random numbers${who}.`,
      {
        hint: "Export the model in evaluation mode, or give the random numbers as an input. `halfscope compare` works as it is: there both sides share what is drawn.",
        context: { output: differs, nodes: drawing.map((n) => n.name || n.outputs[0]).slice(0, 20) },
      },
    );
  }

  /** Errors of outputs can only be told of floats: without any, everything would pass. */
  private async requireFloatOutputs(): Promise<void> {
    const { types } = await this.subject();
    if (floatOutputs(this.view, types).length > 0) return;
    const found = this.view.graph.outputs.map((v) => `"${v.name}" is ${types.get(v.name)?.dtype ?? v.dtype}`).join(", ");
    throw new InputError("ERR_MODEL_NO_FLOAT", `${this.model.path} has no float output to judge: ${found}.`, {
      hint: "Make the tensor in front of the decision (the logits) an output of the model; `halfscope compare` works as it is.",
    });
  }

  /** What final outputs of a sample are judged with: one judge for searches, sweeps and verdicts. */
  async judge(feed: Feed = this.feeds[0]): Promise<OutputJudge> {
    const known = this.judges.get(feed);
    if (known !== undefined) return known;
    const judge = await this.judgeAgainst((await this.reference(feed)).outputs, feed);
    this.judges.set(feed, judge);
    return judge;
  }

  /** The same against outputs of another reference: that of a real engine. */
  async judgeAgainst(reference: ReadonlyMap<string, TensorValue>, feed: Feed = this.feeds[0]): Promise<OutputJudge> {
    const { metric, keepPadding = false } = this.options;
    return new OutputJudge(reference, {
      outputs: floatOutputs(this.view, (await this.subject(feed)).types),
      masks: keepPadding ? [] : paddingMasks(feed.tensors),
      scores: scoreOutputs(this.view),
      metric: metric?.judge,
    });
  }

  /** How outputs are judged, for results; masks as they apply to the first sample. */
  async judgement(): Promise<Judgement> {
    const { metric, keepPadding = false } = this.options;
    const masks = (await this.judge()).masked;
    const hidden = keepPadding ? paddingMasks(this.feeds[0].tensors).length > 0 : masks.length > 0;
    return {
      figure: metric === undefined ? "relative-l2" : "metric",
      ...(metric && { metric: { path: metric.path, digest: metric.digest } }),
      ...(hidden && { padding: { rule: paddingRule, kept: keepPadding, masks } }),
      classRule,
    };
  }

  /** Measures the final outputs under any switches on a sample. One engine per shape serves them all. */
  evaluator(feed: Feed = this.feeds[0]): Evaluate {
    return async (switches, wanted) => {
      const judge = await this.judge(feed);
      const engine = await this.candidate(feed);
      const { outputs } = await engine.outputsOf({ switches, signal: this.signal });
      return judge.judge(outputs, wanted);
    };
  }

  /** Drops what is kept of a sample that is no longer needed. */
  forget(feed: Feed): void {
    this.references.delete(feed);
    this.judges.delete(feed);
  }

  async outputStats(feed: Feed, switches: Uint8Array): Promise<ReadonlyMap<string, ErrorStats>> {
    const engine = await this.candidate(feed);
    return (await engine.evaluate({ switches, signal: this.signal })).stats;
  }

  /** The engine of a sample's shape, fed with it. */
  private async candidate(feed: Feed): Promise<OutputEngine> {
    const subject = await this.subject(feed);
    const key = shapeKey(feed);
    let slot = this.engines.get(key);
    if (slot === undefined) {
      const engine = await OutputEngine.candidate({ ...subject, placements: subject.roundings.placements }, { threads: this.threads });
      slot = { engine, feed: undefined };
      this.engines.set(key, slot);
    }
    if (slot.feed !== feed) {
      const { outputs } = await this.reference(feed);
      slot.engine.setFeed(feed);
      slot.engine.setReference(outputs);
      slot.feed = feed;
    }
    return slot.engine;
  }

  [Symbol.dispose](): void {
    this.closing.abort();
    for (const { engine } of this.engines.values()) engine[Symbol.dispose]();
    this.half?.[Symbol.dispose]();
  }
}

/** A reference that is itself broken says nothing about FP16, on whichever sample. */
function requireFinite(outputs: ReadonlyMap<string, TensorValue>): void {
  for (const [name, value] of outputs) {
    if (value.dtype !== "float32") continue;
    const { buffer, byteOffset, byteLength } = value.data;
    const bytes = byteOffset % 4 === 0 ? new Float32Array(buffer, byteOffset, byteLength / 4) : new Float32Array(value.data.slice().buffer);
    let nan = 0;
    let inf = 0;
    for (const x of bytes) {
      if (Number.isNaN(x)) nan++;
      else if (!Number.isFinite(x)) inf++;
    }
    if (nan + inf > 0)
      throw new InputError(
        "ERR_REFERENCE_NOT_FINITE",
        `The reference itself is not finite: output "${name}" has ${nan} NaN and ${inf} Inf in FP32.`,
        {
          hint: "Nothing can be said about FP16 until that is mended: check the feeds (a fully masked row?) and the weights.",
          context: { output: name },
        },
      );
  }
}

export interface ReferenceRun {
  outputs: ReadonlyMap<string, TensorValue>;
  barePassSeconds: number;
  /** What the reference's session took to build. */
  buildSeconds: number;
}

const shapeKey = (feed: Feed): string => JSON.stringify([...shapesOfFeed(feed)]);
