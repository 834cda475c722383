import { benchWarnings, type CompareTensors, findBatch, judgeBench, requestShapes, serve, type WantedSizes } from "@halfscope/analysis";
import { type BenchDocument, type Progress, silentProgress } from "@halfscope/core";
import {
  compareTensors,
  type DeviceBuildOptions,
  type DeviceBuildRequest,
  feedSignature,
  mentions,
  profileInputs,
  profileText,
  shapeTensorsOf,
} from "@halfscope/engine";
import { readModel, unfoldModel, viewGraph } from "@halfscope/onnx";
import { version } from "../version.js";
import { benchCandidate, type WantedCandidate } from "./bench-candidate.js";
import { benchMachine, currentLoad } from "./bench-machine.js";
import { allCalls, compareAll, timeAll } from "./bench-measure.js";
import { benchProfiles } from "./bench-profiles.js";
import { benchNotes, engineRecord, meaningWarnings } from "./bench-record.js";
import { benchRequests } from "./bench-requests.js";
import type { DeviceOptions } from "./device/options.js";
import { openDevice } from "./device/session.js";

export interface BenchOptions extends Pick<DeviceOptions, "engine" | "typing" | "profiles" | "open"> {
  /** What is served in place of the FP32 model itself. */
  candidate?: WantedCandidate | undefined;
  /** Requests side by side in one call. Defaults to 1, 2, 4 and 8. */
  batches?: readonly number[] | undefined;
  sizes: WantedSizes;
  contexts: readonly number[];
  rounds: number;
  requests: number;
  warmup: number;
  /** Of each point. */
  maxSeconds: number;
  tolerance: number;
  seed: number;
  /** Axes that hold the batch, by symbol or `input:axis`; recognised when absent. */
  batchAxis?: readonly string[] | undefined;
  /** Real samples, as --feed names them. */
  feeds?: readonly string[] | undefined;
  threads?: number | undefined;
  build?: Omit<DeviceBuildOptions, "tf32" | "threads"> | undefined;
  /** Defaults to the addon's. */
  compare?: CompareTensors | undefined;
  progress?: Progress | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Batches against single requests on one engine: for every batch size and shape what batching does to the numbers, then latency and throughput in rounds. Throws what
 * opening, building and feeding throw; a batch or shape that is not served, or that fails, is a refused point of the result.
 */
export async function benchStep(path: string, o: BenchOptions): Promise<BenchDocument> {
  const { progress = silentProgress, signal, threads } = o;
  const loadBefore = currentLoad();
  await using device = await openDevice(o);
  const { backend, typing } = device;
  const model = unfoldModel(await readModel(path));
  const view = viewGraph(model.graph);
  const signature = feedSignature(view);
  const batching = findBatch(signature, o.batchAxis);
  const dynamic = batching.kind === "dynamic";
  // What was asked for by name is answered, if only by a reason.
  const batches = [...new Set(o.batches ?? (dynamic ? defaultBatches : [1]))];
  const sent = await benchRequests(model, view, signature, batching, { ...o, largestBatch: dynamic ? Math.max(...batches) : 1 });
  const sizes = requestShapes((sent.shapes[0] as (typeof sent.shapes)[number]).requests[0]);
  await using candidate = o.candidate && (await benchCandidate(path, o.candidate, typing, { shapes: sizes, threads, progress, signal }));
  const settled = backend.environment.capabilities.profiles
    ? benchProfiles(o.profiles ?? [], profileInputs(signature, shapeTensorsOf(view)), allCalls(sent, batching, batches))
    : { profiles: [], notes: [], warnings: [] };
  const options = { ...o.build, ...(threads !== undefined && { threads }), tf32: false };
  const build = (request: Omit<DeviceBuildRequest, "profiles" | "options">) =>
    backend.build({ ...request, profiles: settled.profiles, options }, { signal, progress });
  const half = mentions(view, "float16") || mentions(view, "bfloat16");
  await using reference = await build({ label: "the reference", path: model.path, precision: { kind: half ? "typed" : "full" } });
  await using built = candidate && (await build({ label: "the candidate", path: candidate.path, precision: candidate.precision }));

  const outputs = view.graph.outputs.map((v) => v.name);
  const referenceServed = serve(reference, outputs);
  const pair = { reference: referenceServed, candidate: built === undefined ? referenceServed : serve(built, outputs) };
  const work = { pair, sent, batching, batches, progress, signal };
  const comparisons = await compareAll({ ...work, outputs, atOnce: Math.max(...o.contexts), compare: o.compare ?? compareTensors });
  const points = await timeAll({
    ...work,
    comparisons,
    contexts: [...new Set(o.contexts)],
    timing: { ...o, maxMilliseconds: 1000 * o.maxSeconds },
  });

  const verdict = judgeBench(comparisons, o.tolerance);
  const machine = benchMachine(loadBefore);
  const { environment } = backend;
  const own = { title: half ? "the model as it is" : "the model in FP32", typing: half ? ("typed" as const) : ("full" as const) };
  const engines = [
    engineRecord("reference", reference, model, own),
    ...(built === undefined || candidate === undefined
      ? []
      : [
          engineRecord("candidate", built, await readModel(candidate.path), {
            title: candidate.title,
            typing,
            half: candidate.half,
            pins: candidate.pins,
            made: candidate.made,
          }),
        ]),
  ];
  return {
    schema: "halfscope/bench/1",
    halfscope: version,
    model: { path: model.path, digest: model.digest, sizeBytes: model.sizeBytes },
    environment,
    machine,
    options: {
      engine: o.engine,
      batches,
      contexts: o.contexts,
      rounds: o.rounds,
      requests: o.requests,
      warmup: o.warmup,
      maxSeconds: o.maxSeconds,
      tolerance: o.tolerance,
      seed: o.seed,
      ...(threads !== undefined && { threads }),
      ...(settled.profiles.length > 0 && { profiles: settled.profiles.map(profileText) }),
      ...(o.feeds && { feeds: o.feeds }),
    },
    batching,
    feeds: sent.described,
    shapes: sent.shapes.map((s) => ({ name: s.name, inputs: requestShapes(s.requests[0]), requests: s.requests.length })),
    engines,
    comparisons,
    points,
    ...("reason" in sent.padding && { paddingNotTried: sent.padding.reason }),
    verdict,
    warnings: [...meaningWarnings(environment, engines, half), ...settled.warnings, ...benchWarnings({ machine, points, comparisons })],
    notes: benchNotes({ half, batching, comparisons, candidate: candidate !== undefined, notes: [...settled.notes, ...sent.notes] }),
  };
}

const defaultBatches = [1, 2, 4, 8];
