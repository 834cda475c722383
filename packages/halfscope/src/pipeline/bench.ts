import { benchWarnings, type CompareTensors, judgeBench, requestShapes, serve, type WantedSizes } from "@halfscope/analysis";
import { type BenchDocument, type Progress, silentProgress } from "@halfscope/core";
import {
  compareTensors,
  type DeviceBuildOptions,
  type DeviceBuildRequest,
  profileText,
  readGpuClocks,
  type SettledProfiles,
} from "@halfscope/engine";
import { readModel } from "@halfscope/onnx";
import { version } from "../version.js";
import { benchCandidate, type WantedCandidate } from "./bench-candidate.js";
import { ClockReader, clockWarnings, type ReadClocks } from "./bench-clocks.js";
import { benchMachine, currentLoad } from "./bench-machine.js";
import { compareAll, stoppedAt, timeAll } from "./bench-measure.js";
import { benchPlan, sizesSent } from "./bench-plan.js";
import { benchNotes, buildAsked, engineRecord, meaningWarnings, notRealHalf } from "./bench-record.js";
import { type DeviceOptions, hasProfiles } from "./device/options.js";
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
  /** What the person should know of the command line itself: told with the document's other warnings. */
  warnings?: readonly string[] | undefined;
  /** Defaults to the driver's management library. */
  readClocks?: ReadClocks | undefined;
  /** Defaults to the addon's. */
  compare?: CompareTensors | undefined;
  progress?: Progress | undefined;
  signal?: AbortSignal | undefined;
}

const noProfiles: SettledProfiles = { profiles: [], notes: [], warnings: [] };

/**
 * Batches against single requests on one engine: for every batch size and shape what batching does to the numbers, then latency and throughput in rounds. Throws what
 * reading, opening, building and feeding throw; a batch or shape that is not served, or that fails, is a refused point of the result. When the signal stops it after the first
 * comparison, the result is what was finished, marked as `stopped`; before, CancelledError is thrown.
 */
export async function benchStep(path: string, o: BenchOptions): Promise<BenchDocument> {
  const { progress = silentProgress, signal, threads } = o;
  const loadBefore = currentLoad();
  const plan = await benchPlan(path, o);
  const { model, view, half, batching, batches, sent } = plan;
  // Before a library is looked for: a slip in a profile shows on any machine.
  const early = hasProfiles(o.engine) ? plan.profiles() : undefined;
  await using device = await openDevice(o);
  const { backend, typing } = device;
  const { environment } = backend;
  const settled = environment.capabilities.profiles ? (early ?? plan.profiles()) : noProfiles;
  await using candidate =
    o.candidate && (await benchCandidate(path, o.candidate, typing, { sizes: sizesSent(plan), threads, progress, signal }));
  const options = { ...o.build, ...(threads !== undefined && { threads }), tf32: false };
  const build = (request: Omit<DeviceBuildRequest, "profiles" | "options">) =>
    backend.build({ ...request, profiles: settled.profiles, options }, { signal, progress });
  await using reference = await build({ label: "the reference", path: model.path, precision: { kind: half ? "typed" : "full" } });
  await using built = candidate && (await build({ label: "the candidate", path: candidate.path, precision: candidate.precision }));

  const outputs = view.graph.outputs.map((v) => v.name);
  const referenceServed = serve(reference, outputs);
  const pair = { reference: referenceServed, candidate: built === undefined ? referenceServed : serve(built, outputs) };
  const work = { pair, sent, batching, batches, progress, signal };
  const notReal = notRealHalf(environment, candidate?.half ?? half);
  const held = notReal === undefined || built === undefined;
  const comparisons = await compareAll({ ...work, outputs, atOnce: Math.max(...o.contexts), compare: o.compare ?? compareTensors, held });
  const clocks = new ClockReader(environment, o.readClocks ?? readGpuClocks);
  await clocks.before();
  const points = await timeAll({
    ...work,
    comparisons,
    contexts: [...new Set(o.contexts)],
    timing: { ...o, maxMilliseconds: 1000 * o.maxSeconds },
  });
  await clocks.after();
  const stopped = stoppedAt(comparisons, points, o.rounds, signal);

  const against = built === undefined || notReal !== undefined ? "single" : "reference";
  const verdict = { ...judgeBench(comparisons, o.tolerance, against), ...(notReal !== undefined && { notRealHalf: notReal }) };
  const machine = benchMachine(loadBefore);
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
    clocks: clocks.found,
    ...(stopped && { stopped }),
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
      ...buildAsked(o.build),
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
    warnings: [
      ...meaningWarnings(environment, engines, half !== undefined),
      ...(o.warnings ?? []),
      ...settled.warnings,
      ...clockWarnings(clocks.found),
      ...benchWarnings({ machine, points, comparisons }),
    ],
    notes: benchNotes({
      half: half !== undefined,
      batching,
      comparisons,
      candidate: candidate !== undefined,
      notes: [...settled.notes, ...sent.notes],
    }),
  };
}
