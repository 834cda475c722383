/** One hazard case on an engine: predicted, then built variant by variant, each saved as soon as it is known. */
import { join } from "node:path";
import type { EngineLayer } from "@halfscope/core";
import type { DeviceBackend, DeviceBuildOptions, DeviceBuildRequest, DeviceEngine, EnginePrecision } from "@halfscope/engine";
import { switchesFromPlan } from "@halfscope/precision";
import { compareStep } from "halfscope";
import type { HazardCase } from "../cases/index.js";
import { type HazardEngine, type HazardEntry, nameOf, type Variant, variants, variantsOf } from "./hazard-report.js";
import { type Outcome, outcomeOf, refusal, warningsIn } from "./outcome.js";
import { likeOf, Studied } from "./studied.js";

export interface CaseOptions {
  backend: DeviceBackend;
  options: DeviceBuildOptions;
  /** Names of variants; those that the engine has no typing for are left out. */
  wanted: ReadonlySet<string>;
  /** For made models. */
  folder: string;
  /** Called whenever `entry` has changed. While something is under way that a library could end the process on, `entry.at` names it. */
  save: () => Promise<void>;
}

/** Measures what `entry` lacks. Throws where nothing can be said of the case at all. */
export async function runCase(c: HazardCase, entry: HazardEntry, { backend, options, wanted, folder, save }: CaseOptions): Promise<void> {
  const done = new Set(entry.engines.map(nameOf));
  const missing = variantsOf(c.constantsMatter, backend.environment.capabilities.typings, wanted).filter((name) => !done.has(name));
  if (missing.length === 0 && entry.predicted !== undefined) return;
  const at = async (what: string | undefined) => {
    if (what === undefined) delete entry.at;
    else entry.at = what;
    await save();
  };
  await at("the prediction");
  const path = await c.make().write(join(folder, c.id));
  const like = likeOf(backend.environment.backend);
  using studied = await Studied.open(path, { like, feeds: [join(folder, c.id, "test_data_set_0")] });
  if (entry.predicted === undefined) {
    const { predictedPlain, ...predicted } = await predict(studied);
    Object.assign(entry, predicted, c.constantsMatter && { predictedPlain });
  }
  const common = { profiles: studied.profiles(), options };
  await at("the FP32 engine");
  await using reference = await backend.build({ ...common, label: `${c.id}, FP32`, path, precision: { kind: "full" } });
  for (const name of missing) {
    const variant = variants.get(name);
    if (variant === undefined) continue;
    await at(name);
    const file =
      variant.constants === "own" ? path : await studied.halfFile(join(folder, c.id), `half-${variant.constants}`, [], variant.constants);
    const request = { ...common, ...(await requestOf(studied, variant)), label: `${c.id}, ${name}`, path: file };
    entry.engines.push({ ...variant, ...(await measured(backend, request, reference, studied)) });
    await at(undefined);
  }
}

async function measured(
  backend: DeviceBackend,
  request: DeviceBuildRequest,
  reference: DeviceEngine,
  studied: Studied,
): Promise<Omit<HazardEngine, keyof Variant>> {
  try {
    await using engine = await backend.build(request);
    const compared = await backend.compare(reference, engine, studied.feed, await studied.floatOutputs());
    return { ...outcomeOf(compared.stats.values()), ...computesIn(await engine.layers()), warnings: warningsIn(engine.messages) };
  } catch (error) {
    return refusal(error);
  }
}

async function requestOf(
  studied: Studied,
  { typing, marked, asked = false }: Variant,
): Promise<Pick<DeviceBuildRequest, "precision" | "observe">> {
  const outputs = new Set(await studied.floatOutputs());
  const precision: EnginePrecision =
    typing === "typed"
      ? { kind: "typed" }
      : {
          ...{ kind: "weak", half: "float16" },
          ...(asked ? { pins: await studied.weakPins(), constraints: "prefer" } : { pins: [], constraints: "none" }),
        };
  if (!marked) return { precision };
  return { precision, observe: { tensors: (await studied.floatTensors()).filter((t) => !outputs.has(t)), preferHalf: asked } };
}

/** What halfscope says of a case before any engine is built. */
export async function predict(studied: Studied): Promise<Pick<HazardEntry, "hazards" | "predicted" | "predictedPlain" | "keptFull">> {
  const { bench } = studied;
  const { roundings } = await bench.subject();
  const keptFull = [...roundings.floats.fixedNodes.values()].filter((reason) => reason.startsWith(`${bench.profile.name} `));
  // Where nothing is left that could be in FP16, there is nothing to compare.
  const { hazards } = roundings.placements.length > 0 ? await compareStep(bench) : { hazards: await bench.hazards(() => undefined) };
  const run = async (constants: "finite" | "overflow") =>
    outcomeOf((await bench.outputStats(studied.feed, switchesFromPlan(studied.plan([], constants), roundings))).values());
  return {
    hazards: [...new Set(hazards.map((h) => `${h.code} (${h.severity})`))],
    predicted: await run("finite"),
    predictedPlain: await run("overflow"),
    ...(keptFull.length > 0 && { keptFull: [...new Set(keptFull)] }),
  };
}

function computesIn(layers: readonly EngineLayer[] | undefined): Pick<HazardEngine, "computes"> {
  if (layers === undefined) return {};
  const counts: Record<string, number> = {};
  for (const { computes } of layers) counts[computes] = (counts[computes] ?? 0) + 1;
  return { computes: counts };
}

/** For people, in a line. */
export function describeEntry(entry: HazardEntry): string {
  const said = (o: Outcome | undefined) =>
    o === undefined ? "-" : `${o.outcome}${o.error === undefined ? "" : ` ${o.error.toPrecision(2)}`}`;
  return `${entry.id}: predicted ${said(entry.predicted)}; ${entry.engines.map((e) => `${nameOf(e)} ${said(e)}`).join("; ")}`;
}
