import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { HalfscopeError, type HalfType, halfWords, type Typing, UsageError } from "@halfscope/core";
import type { EnginePrecision } from "@halfscope/engine";
import { readModel, unfoldModel, viewGraph } from "@halfscope/onnx";
import { allHalf, planFromOverrides, typeOfOverrides } from "@halfscope/precision";
import { applyPlan } from "./apply.js";
import { halfOf } from "./bench-plan.js";
import { DeviceFiles, layerPins, pinsOf, unheededBy } from "./device/device-files.js";
import { Workbench, type WorkbenchOptions } from "./workbench.js";

/** What is served in place of the FP32 model. */
export type WantedCandidate = { kind: "file"; path: string } | { kind: "half"; half: HalfType } | { kind: "overrides"; path: string };

export interface BenchCandidate extends AsyncDisposable {
  /** For people. */
  title: string;
  path: string;
  precision: EnginePrecision;
  /** What it computes in besides FP32; undefined for a file that is in FP32 throughout. */
  half?: HalfType;
  pins?: readonly string[];
  /** The file goes away with this. */
  made: boolean;
}

/**
 * The file to serve: the one that was given, or one with every layer in FP16 or as overrides say, written into a folder that goes away with the result. For
 * weakly typed networks it is the FP32 model itself with a precision per layer, which the builder has to obey as in `debug`. `sizes` are those of each shape that will be sent: the
 * first that fits the model serves to find its types. Errors as of `applyPlan` and of overrides; ERR_OPTION for a file on a weakly typed engine.
 */
export async function benchCandidate(model: string, wanted: WantedCandidate, typing: Typing, o: CandidateOptions): Promise<BenchCandidate> {
  if (wanted.kind === "file") {
    if (typing === "weak")
      throw new UsageError("ERR_OPTION", `${wanted.path} states its types itself, which a weakly typed network leaves to the builder.`, {
        hint: "Give --overrides or --fp16 in its place, or --typing typed where the engine has it.",
      });
    const half = halfOf(viewGraph(unfoldModel(await readModel(wanted.path)).graph));
    return {
      title: wanted.path,
      path: wanted.path,
      precision: { kind: "typed" },
      ...(half && { half }),
      made: false,
      [Symbol.asyncDispose]: async () => undefined,
    };
  }
  const text = wanted.kind === "overrides" ? await overridesText(wanted.path) : undefined;
  const half = wanted.kind === "half" ? wanted.half : typeOfOverrides(text ?? "");
  for (const [i, shapes] of o.sizes.entries())
    try {
      return await fromPlan(model, { wanted, text, half }, typing, { ...o, shapes });
    } catch (error) {
      // A shape that the model does not take is refused where it is measured; another one may fit.
      const shapeless = error instanceof HalfscopeError && (error.code === "ERR_FEED" || error.code === "ERR_ENGINE_RUN");
      if (!shapeless || i === o.sizes.length - 1) throw error;
    }
  throw new UsageError("ERR_OPTION", "No shape is given to make the candidate with.", { hint: "Give sizes with --dim or --shape." });
}

interface CandidateOptions extends Pick<WorkbenchOptions, "progress"> {
  sizes: readonly Record<string, readonly number[]>[];
  threads: number | undefined;
  signal: AbortSignal | undefined;
}

async function fromPlan(
  model: string,
  { wanted, text, half }: { wanted: WantedCandidate; text: string | undefined; half: HalfType },
  typing: Typing,
  { shapes, threads, signal, progress }: Omit<CandidateOptions, "sizes"> & { shapes: Record<string, readonly number[]> },
): Promise<BenchCandidate> {
  using bench = await Workbench.open(model, {
    shapes,
    ...(progress && { progress }),
    ...(threads !== undefined && { threads }),
    ...(signal && { signal }),
    samples: 1,
    precision: half,
  });
  const plan =
    text === undefined
      ? allHalf(bench.model.digest, "finite", half)
      : planFromOverrides(text, { digest: bench.model.digest, layers: bench.layers }, wanted.kind === "overrides" ? wanted.path : "");
  const pins = await pinsOf(bench, plan);
  const full = plan.defaultPrecision === "float32";
  const unheeded = unheededBy(plan, typing, wanted.kind === "overrides" ? wanted.path : "");
  if (unheeded !== undefined) bench.progress.note(unheeded);
  const title = full
    ? "every layer in FP32"
    : pins.length === 0
      ? `every layer in ${halfWords[half]}`
      : `${halfWords[half]} with ${pins.length} ${pins.length === 1 ? "layer" : "layers"} in FP32`;
  const head = { title, pins, ...(!full && { half }) };
  const folder = await mkdtemp(join(tmpdir(), "halfscope-bench-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    if (typing === "weak") {
      const path = await new DeviceFiles(bench, folder).reference();
      const nodes = await layerPins(bench, pins, "float32");
      const precision: EnginePrecision = { kind: "weak", half, pins: nodes, constraints: nodes.length > 0 ? "obey" : "none" };
      return { ...head, path, precision, made: dirname(path) === folder, [Symbol.asyncDispose]: remove };
    }
    const { path } = await applyPlan(await bench.subject(), plan, join(folder, "candidate.onnx"), { progress: bench.progress, signal });
    return { ...head, path, precision: { kind: "typed" }, made: true, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function overridesText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new UsageError("ERR_FILE_NOT_FOUND", `${path} cannot be read: ${(cause as Error).message}.`, {
      hint: "Give the overrides.json that recommend or debug wrote.",
      cause,
    });
  }
}
