import { statSync } from "node:fs";
import type { BackendName, Measurements } from "@halfscope/core";
import { groupTensors, markableOf } from "@halfscope/engine";
import { guidePins } from "./guides-step.js";
import { markingLimit, tensorsKey } from "./marked-step.js";
import { engineKey } from "./measure-engine.js";
import { defaultEngineTrials } from "./options.js";
import { referenceKey } from "./reference-step.js";
import type { DeviceSession } from "./session.js";

/** Builds that a person waits for: those that come in any case, and those that the engine's answers may ask for. */
export interface PlannedBuilds {
  sure: number;
  most: number;
  /** Of the sure ones, those in FP32: their kernels take less time to choose. */
  full: number;
}

/** What will be built, without what the journal has. Tensors are marked in groups whose number may differ by what the file names. */
export async function plannedBuilds(s: DeviceSession, pins: readonly string[], prediction: Measurements): Promise<PlannedBuilds> {
  const { journal, options: o } = s;
  const lacks = (layers: readonly string[]) => journal.get("engine", engineKey(s, { pins: layers })) === undefined;
  const { types } = await s.bench.subject();
  const marked = (o.observe ?? "outputs") !== "none" && journal.get("tensors", tensorsKey(s, prediction)) === undefined;
  const tensors = prediction.tensors.map((t) => markableOf(t.tensor, types, "float32"));
  const pairs = marked ? Math.max(1, groupTensors(tensors, { limitBytes: markingLimit(s) }).groups.length) : 0;
  const sets = [[], pins, (o.guides ?? true) ? await guidePins(s) : []];
  const single = new Map(sets.map((set) => [set.toSorted().join("\0"), set]));
  // Marked outputs are held against those of the plain engine, which is built for them again.
  const plain = [...single].filter(([key, set]) => (key === "" && marked) || lacks(set)).length;
  const most = s.environment.capabilities.realHalf ? (o.trials ?? defaultEngineTrials) : 0;
  const reference = plain + pairs > 0 || journal.get("engine", referenceKey(s)) === undefined ? 1 : 0;
  return { sure: plain + 2 * pairs + reference, most, full: pairs + reference };
}

/**
 * Seconds of a build of BERT-large by TensorRT 10.6 on an H200: the first one in FP16 measures every kernel (70 to 92 s in five runs), later ones find most in the timing
 * cache, and FP32 has few to choose from (8 to 35 s).
 */
const [firstHalf, each] = [80, 20];

/** What a person should know before the first build. `cache` is the timing cache's file. */
export function buildNote(planned: PlannedBuilds, engine: BackendName, cache: string | undefined): string {
  const { sure, most, full } = planned;
  const word = (n: number) => `${n} ${n === 1 ? "build" : "builds"}`;
  if (sure === 0)
    return `On the engine: nothing is left to build but for what trials may ask for${most > 0 ? `, ${word(most)} at most` : ""}.`;
  const more = most === 0 ? "" : `, then at most ${most} more`;
  const head = `On the engine: ${word(sure)}${more}`;
  if (engine === "ort-cpu" || engine === "ort-cuda") return `${head}; each takes seconds.`;
  const seconds = sure * each + (sure > full ? firstHalf - each : 0);
  const minutes = Math.max(1, Math.round(seconds / 60));
  const known = cache !== undefined && sizeOf(cache) > 0;
  const less = known ? "less here: the timing cache knows kernels already" : "later runs take less, by the timing cache";
  return `${head}. TensorRT took about ${minutes} ${minutes === 1 ? "minute" : "minutes"} for the first ${sure === 1 ? "one" : sure} with BERT-large on an H200; other models take more or less, and ${less}.`;
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}
