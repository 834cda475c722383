import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HalfType, halfWords, type PrecisionPlan, type Typing, UsageError } from "@halfscope/core";
import type { EnginePrecision, LayerPin } from "@halfscope/engine";
import { allHalf, planFromOverrides, typeOfOverrides } from "@halfscope/precision";
import { applyPlan } from "./apply.js";
import { Workbench, type WorkbenchOptions } from "./workbench.js";

/** What is served in place of the FP32 model. */
export type WantedCandidate = { kind: "file"; path: string } | { kind: "half"; half: HalfType } | { kind: "overrides"; path: string };

export interface BenchCandidate extends AsyncDisposable {
  /** For people. */
  title: string;
  path: string;
  precision: EnginePrecision;
  half?: HalfType;
  pins?: readonly string[];
  /** The file goes away with this. */
  made: boolean;
}

/**
 * The file to serve: the one that was given, or one with every layer in FP16 or as overrides say, written into a folder that goes away with the result. For
 * weakly typed networks it is the model itself with a precision per layer. Errors as of `applyPlan` and of overrides; ERR_OPTION for a file on a weakly typed engine.
 */
export async function benchCandidate(
  model: string,
  wanted: WantedCandidate,
  typing: Typing,
  {
    threads,
    signal,
    ...o
  }: Pick<WorkbenchOptions, "shapes" | "progress"> & { threads: number | undefined; signal: AbortSignal | undefined },
): Promise<BenchCandidate> {
  if (wanted.kind === "file") {
    if (typing === "weak")
      throw new UsageError("ERR_OPTION", `${wanted.path} states its types itself, which a weakly typed network leaves to the builder.`, {
        hint: "Give --overrides or --fp16 in its place, or --typing typed where the engine has it.",
      });
    return {
      title: wanted.path,
      path: wanted.path,
      precision: { kind: "typed" },
      made: false,
      [Symbol.asyncDispose]: async () => undefined,
    };
  }
  const text = wanted.kind === "overrides" ? await overridesText(wanted.path) : undefined;
  const half = wanted.kind === "half" ? wanted.half : typeOfOverrides(text ?? "");
  using bench = await Workbench.open(model, {
    ...o,
    ...(threads !== undefined && { threads }),
    ...(signal && { signal }),
    samples: 1,
    precision: half,
  });
  const plan =
    text === undefined
      ? allHalf(bench.model.digest, "finite", half)
      : planFromOverrides(text, { digest: bench.model.digest, layers: bench.layers }, wanted.kind === "overrides" ? wanted.path : "");
  const pins = plan.pins.map((p) => p.layer);
  const title =
    pins.length === 0
      ? `every layer in ${halfWords[half]}`
      : `${halfWords[half]} with ${pins.length} ${pins.length === 1 ? "layer" : "layers"} in FP32`;
  const head = { title, half, pins };
  if (typing === "weak")
    return {
      ...head,
      path: model,
      precision: { kind: "weak", half, pins: layerPins(bench, plan), constraints: "prefer" },
      made: false,
      [Symbol.asyncDispose]: async () => undefined,
    };
  const folder = await mkdtemp(join(tmpdir(), "halfscope-bench-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const { path } = await applyPlan(await bench.subject(), plan, join(folder, "candidate.onnx"), {
      progress: bench.progress,
      signal,
    });
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

/** Pinned layers as the network names them: by node. */
function layerPins(bench: Workbench, plan: PrecisionPlan): LayerPin[] {
  const pinned = new Set(plan.pins.map((p) => p.layer));
  return bench.layers
    .filter((l) => pinned.has(l.id))
    .flatMap((l) => l.nodes.map((n) => bench.view.graph.nodes[n]?.name ?? ""))
    .filter((node) => node !== "")
    .map((node) => ({ node, precision: "float32" as const }));
}
