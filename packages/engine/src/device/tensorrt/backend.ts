import { performance } from "node:perf_hooks";
import { CancelledError, type DeviceEnvironment, statsFromBlock, UsageError } from "@halfscope/core";
import type { Feed } from "../../feeds/feed.js";
import { onAbort } from "../../on-abort.js";
import type { ComparedTensors, DeviceBackend, DeviceBuildRequest, DeviceEngine } from "../backend.js";
import { type BuildContext, buildTensorRt, describeTensorRt } from "./builder.js";
import { TensorRtEngine } from "./engine.js";
import { fromTensorRt } from "./errors.js";
import { openTensorRtLibrary } from "./library.js";
import { type NativeNetwork, type NativeTensorRt, nativeTensorRt } from "./native.js";

/**
 * TensorRT on the first visible GPU. HALFSCOPE_TENSORRT_LIBRARY names the folder of its libraries, else the system's loader finds them; of several major versions
 * the newest that this build of halfscope speaks. Throws EngineError ERR_BACKEND_UNAVAILABLE in one line: no module, no library, no driver, no GPU.
 */
export async function openTensorRt(): Promise<DeviceBackend> {
  return new TensorRtBackend(nativeTensorRt(), openTensorRtLibrary());
}

/** Engines of TensorRT. */
export class TensorRtBackend implements DeviceBackend {
  readonly #engines = new Set<TensorRtEngine>();

  constructor(
    private readonly native: NativeTensorRt,
    readonly environment: DeviceEnvironment,
  ) {}

  async build(request: DeviceBuildRequest, o: BuildContext = {}): Promise<TensorRtEngine> {
    const { native: built, messages, inputs, profiles } = await buildTensorRt(this.native, request, this.environment.version, o);
    const start = performance.now();
    const planBytes = built.plan.length;
    try {
      const engine = new TensorRtEngine(this.native, {
        label: request.label,
        native: await this.native.tensorrtLoad(built.plan, request.observe?.how === "unfused"),
        buildSeconds: built.seconds + (performance.now() - start) / 1000,
        planBytes,
        messages,
        notObserved: built.notObserved,
        inputs,
        profiles,
        modelOutputs: built.outputs,
      });
      this.#engines.add(engine);
      return engine;
    } catch (error) {
      throw fromTensorRt(error, `Loading ${request.label}`);
    }
  }

  /** What TensorRT makes of an ONNX file, without a build. */
  describe(path: string): Promise<NativeNetwork> {
    return describeTensorRt(this.native, path);
  }

  /** An engine from a plan's bytes, as `loadPlan` has found them to fit; the model's inputs and profiles as they were when it was built. */
  async load(
    plan: Uint8Array,
    facts: Pick<ConstructorParameters<typeof TensorRtEngine>[1], "label" | "inputs" | "profiles">,
  ): Promise<TensorRtEngine> {
    try {
      const native = await this.native.tensorrtLoad(plan, false);
      const modelOutputs = native.io().flatMap((io) => (io.input ? [] : [io.name]));
      const engine = new TensorRtEngine(this.native, {
        ...facts,
        native,
        modelOutputs,
        buildSeconds: 0,
        planBytes: plan.length,
        messages: [],
        notObserved: [],
      });
      this.#engines.add(engine);
      return engine;
    } catch (error) {
      throw fromTensorRt(error, `Loading ${facts.label}`);
    }
  }

  async compare(
    reference: DeviceEngine,
    candidate: DeviceEngine,
    feed: Pick<Feed, "tensors">,
    tensors: readonly string[],
    o: { signal?: AbortSignal | undefined; progress?: ((done: number) => void) | undefined } = {},
  ): Promise<ComparedTensors> {
    if (!(reference instanceof TensorRtEngine && candidate instanceof TensorRtEngine))
      throw new UsageError("ERR_OPTION", "Expected two engines of TensorRT to compare.", { hint: "Compare engines of one backend." });
    if (o.signal?.aborted) throw new CancelledError();
    const [left, right] = [reference.prepare(feed), candidate.prepare(feed)];
    const task = this.native.tensorrtTask();
    const waiting = onAbort(o.signal, () => task.cancel());
    const watching = o.progress && setInterval(() => o.progress?.(task.count()), 200).unref();
    try {
      const names = [...new Set(tensors)];
      const { stats, ...compared } = await reference.use("Comparing with", (one) =>
        candidate.use("Comparing", (other) =>
          this.native.tensorrtCompare(one, left.profile, left.feed, other, right.profile, right.feed, names, task),
        ),
      );
      const reasons = new Map([...reference.notObserved, ...candidate.notObserved].map((n) => [n.tensor, n.reason]));
      return {
        stats: new Map(compared.names.map((name, slot) => [name, statsFromBlock(stats, slot)])),
        notCompared: compared.notCompared.map(({ tensor, reason }) => ({ tensor, reason: reasons.get(tensor) ?? reason })),
        seconds: compared.seconds,
      };
    } finally {
      clearInterval(watching);
      waiting[Symbol.dispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#engines].map((engine) => engine[Symbol.asyncDispose]()));
    this.#engines.clear();
  }
}
