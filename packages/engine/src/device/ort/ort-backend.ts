import { performance } from "node:perf_hooks";
import { bytesPerElement, CancelledError, type DeviceEnvironment, type ErrorStats, type Progress, UsageError } from "@halfscope/core";
import { type Model, viewGraph } from "@halfscope/onnx";
import { type Feed, feedSignature } from "../../feeds/feed.js";
import type { ComparedTensors, DeviceBackend, DeviceBuildRequest, DeviceEngine, OptimizationProfile } from "../backend.js";
import { readGivenModel } from "../given-model.js";
import { checkProfiles, profileInputs } from "../profiles.js";
import { shapeTensorsOf } from "../shape-tensors.js";
import { CompareGroups } from "./compare-groups.js";
import { DeviceSession } from "./device-session.js";
import { OrtEngine, type Served } from "./ort-engine.js";
import { outputBytes } from "./output-bytes.js";
import { ProfileFile } from "./profile-file.js";
import { type OrtBackendName, sessionSetup } from "./provider-options.js";
import { buildServingGraph } from "./serving-graph.js";

/** Host memory that the outputs of one group may take, in each of two engines: sizes are estimates where shapes are only known at run time. */
const groupBytes = 512 * 2 ** 20;

/** Held against the model, where the provider builds engines for profiles. Throws UsageError ERR_PROFILE: what is open and not covered, and what contradicts the model. */
function servedBy(
  name: OrtBackendName,
  model: Model,
  profiles: readonly OptimizationProfile[],
): { served: Served | undefined; warnings: string[] } {
  if (name !== "ort-tensorrt") return { served: undefined, warnings: [] };
  const view = viewGraph(model.graph);
  const inputs = profileInputs(feedSignature(view), shapeTensorsOf(view));
  return { warnings: checkProfiles(profiles, inputs), served: { profiles, inputs } };
}

/** ONNX Runtime with one of its execution providers. */
export class OrtBackend implements DeviceBackend {
  readonly #engines = new Set<OrtEngine>();

  constructor(
    private readonly name: OrtBackendName,
    readonly environment: DeviceEnvironment,
  ) {}

  async build(
    request: DeviceBuildRequest,
    o: { signal?: AbortSignal | undefined; progress?: Progress | undefined } = {},
  ): Promise<DeviceEngine> {
    const setup = sessionSetup(this.name, request);
    const step = o.progress?.step(`Building ${request.label}`);
    const start = performance.now();
    const model = await readGivenModel(request);
    const { served, warnings } = servedBy(this.name, model, request.profiles ?? []);
    const graph = buildServingGraph(model, request.observe?.tensors ?? [], request.model);
    if (o.signal?.aborted) throw new CancelledError();
    const profile = new ProfileFile();
    try {
      const { notes, ...options } = setup;
      const session = await DeviceSession.create({ ...options, model: graph.bytes, folder: model.folder, profile: profile.prefix });
      const engine = new OrtEngine({
        label: request.label,
        session,
        buildSeconds: (performance.now() - start) / 1000,
        notObserved: graph.notObserved,
        notes: [...notes, ...warnings.map((text) => ({ severity: "warning" as const, text, count: 1, kind: "other" as const }))],
        served,
        nodes: model.graph.nodes.map(({ index, name, opType }) => ({ index, name, opType })),
        profile,
      });
      // Making a session cannot be interrupted; one that is no longer wanted goes at once.
      if (o.signal?.aborted) {
        await engine[Symbol.asyncDispose]();
        throw new CancelledError();
      }
      this.#engines.add(engine);
      return engine;
    } catch (error) {
      profile.remove();
      throw error;
    } finally {
      step?.end();
    }
  }

  async compare(
    reference: DeviceEngine,
    candidate: DeviceEngine,
    feed: Pick<Feed, "tensors">,
    tensors: readonly string[],
    o: { signal?: AbortSignal | undefined; progress?: ((done: number) => void) | undefined } = {},
  ): Promise<ComparedTensors> {
    if (!(reference instanceof OrtEngine && candidate instanceof OrtEngine))
      throw new UsageError("ERR_OPTION", "Expected two engines of ONNX Runtime to compare.", { hint: "Compare engines of one backend." });
    const start = performance.now();
    const stats = new Map<string, ErrorStats>();
    const notCompared: { tensor: string; reason: string }[] = [];
    const both = [...new Set(tensors)].filter((tensor) => {
      const missing = [reference, candidate].filter((e) => !e.outputs.some((i) => i.name === tensor));
      if (missing.length === 0) return true;
      const why = missing.map((e) => e.notObserved.find((n) => n.tensor === tensor)?.reason).find((r) => r !== undefined);
      notCompared.push({ tensor, reason: why ?? `it is no output of ${missing.map((e) => e.label).join(" and ")}` });
      return false;
    });
    const widths = new Map(reference.outputs.map((i) => [i.name, bytesPerElement(i.dtype) ?? 0]));
    const groups = new CompareGroups(outputBytes(reference, feed, both), groupBytes);
    for (let names = groups.next(); names !== undefined; names = groups.next()) {
      const group = names;
      const compared = await reference.serve(feed, o.signal, (left) =>
        candidate.serve(feed, o.signal, (right) => DeviceSession.compare(left, right, feed, group, o.signal)),
      );
      for (const { name, stats: found, reason } of compared) {
        if (found === undefined) notCompared.push({ tensor: name, reason: reason ?? "it was not compared" });
        else {
          stats.set(name, found);
          groups.seen(found.count * (widths.get(name) ?? 0));
        }
      }
      o.progress?.(stats.size + notCompared.length);
    }
    return { stats, notCompared, seconds: (performance.now() - start) / 1000 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#engines].map((engine) => engine[Symbol.asyncDispose]()));
    this.#engines.clear();
  }
}
