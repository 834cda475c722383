import { statSync } from "node:fs";
import type { BackendName, Measurements } from "@halfscope/core";
import { groupTensors, markableOf } from "@halfscope/engine";
import type { KeptEngine } from "./engine-journal.js";
import { guidePins } from "./guides-step.js";
import { markingLimit, tensorsKey } from "./marked-step.js";
import { engineKey } from "./measure-engine.js";
import { defaultEngineTrials } from "./options.js";
import { referenceKey } from "./reference-step.js";
import type { DeviceSession } from "./session.js";

/** Builds that a person waits for: those that come in any case, and those that the engine's answers may ask for. */
export interface PlannedBuilds {
  sure: number;
  /** Where none is sure, with the FP32 engine: the first of them is compared with it. */
  most: number;
  /** Of the sure ones, those in FP32: their kernels take less time to choose. */
  full: number;
}

/** What will be built, without what the journal has. Tensors are marked in groups whose number may differ by what the file names. */
export async function plannedBuilds(s: DeviceSession, pins: readonly string[], prediction: Measurements): Promise<PlannedBuilds> {
  const { journal, options: o } = s;
  const known = (layers: readonly string[]) => journal.get("engine", engineKey(s, { pins: layers }));
  const { types } = await s.bench.subject();
  const marked = (o.observe ?? "outputs") !== "none" && journal.get("tensors", tensorsKey(s, prediction)) === undefined;
  const tensors = prediction.tensors.map((t) => markableOf(t.tensor, types, "float32"));
  const pairs = marked ? Math.max(1, groupTensors(tensors, { limitBytes: markingLimit(s) }).groups.length) : 0;
  const isBuilt = (set: readonly string[]): boolean => {
    const kept = known(set);
    if (kept === undefined) return true;
    // What failed is left as it is, but for the recommended engine, without which the steps end.
    if (kept.failed !== undefined) return keyOf(set) === keyOf(pins);
    // Marked outputs are held against those of the plain engine, which is built for them again.
    return set.length === 0 && marked;
  };
  const sets = [[], pins, (o.guides ?? true) ? await guidePins(s) : []];
  const plain = [...new Map(sets.map((set) => [keyOf(set), set])).values()].filter(isBuilt).length;
  const trials = s.environment.capabilities.realHalf ? (o.trials ?? defaultEngineTrials) : 0;
  const plan = s.plan === undefined ? { sure: 0, most: 0 } : planBuilds(pins, isBuilt, s.tolerance, known([]), trials);
  // What an engine gives is compared with outputs of the reference that no journal keeps.
  const reference = plain + pairs + plan.sure > 0 || journal.get("engine", referenceKey(s)) === undefined ? 1 : 0;
  const most = trials + plan.most;
  return { sure: plain + 2 * pairs + plan.sure + reference, most: most > 0 ? most + 1 - reference : 0, full: pairs + reference };
}

/** Builds for the plan alone. Of what is built anyway one engine waits for it, the last that may be wanted (`PlanKeeper`); what the journal spared waits nowhere. */
function planBuilds(
  pins: readonly string[],
  isBuilt: (set: readonly string[]) => boolean,
  tolerance: number,
  allHalf: KeptEngine | undefined,
  trials: number,
): Pick<PlannedBuilds, "sure" | "most"> {
  // Until the engine without pins has been measured, nobody knows which of the two is wanted.
  const isSettled = pins.length === 0 || allHalf !== undefined;
  // Where no pins meet the tolerance, no set is cheaper.
  const wanted = (allHalf?.error ?? Number.POSITIVE_INFINITY) <= tolerance ? [] : pins;
  // Of trials, one may be the wanted one: then that is this build.
  if (isSettled && !isBuilt(wanted)) return { sure: 1, most: 0 };
  const waiting = isBuilt(pins) ? pins : [];
  return { sure: 0, most: isSettled && trials === 0 && keyOf(waiting) === keyOf(wanted) ? 0 : 1 };
}

const keyOf = (pins: readonly string[]): string => pins.toSorted().join("\0");

/**
 * Seconds of a build of BERT-large by TensorRT 10.6 on an H200: the first one in FP16 measures every kernel (70 to 92 s in five runs), later ones find most in the timing
 * cache, and FP32 has few to choose from (8 to 35 s).
 */
const [firstHalf, each] = [80, 20];

/** What a person should know before the first build. `cache` is the timing cache's file. */
export function buildNote(planned: PlannedBuilds, engine: BackendName, cache: string | undefined): string {
  const { sure, most, full } = planned;
  const word = (n: number) => `${n} ${n === 1 ? "build" : "builds"}`;
  if (sure === 0) {
    const trials = ` but for what trials may ask for, ${word(most)} at most, the FP32 engine's among them`;
    return `On the engine: nothing is left to build${most > 0 ? trials : ""}.`;
  }
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
