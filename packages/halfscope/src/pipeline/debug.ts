import { join } from "node:path";
import { choicesBetween, shareOf, workByLayer } from "@halfscope/analysis";
import type { FixReport, Overrides, ResultDocument } from "@halfscope/core";
import { formatOverrides } from "@halfscope/precision";
import { renderHtml } from "@halfscope/report";
import { applyPlan } from "./apply.js";
import { type Compared, compareStep, withCompared } from "./compare-step.js";
import { newResult } from "./describe.js";
import { deviceStep } from "./device/device-step.js";
import type { DeviceOptions } from "./device/options.js";
import { requirePlanPlace } from "./device/save-plan.js";
import { openDevice, profilesFor } from "./device/session.js";
import { defaultFixTolerance, findFixes, tryFixes } from "./fix.js";
import { likeStep } from "./like-step.js";
import { type RecommendStepOptions, recommendStep } from "./recommend-step.js";
import { openResultsFolder, resultFiles, saveResult, writeTextFile } from "./results-folder.js";
import { withSweep } from "./sweep-part.js";
import { type SweepStepOptions, sweepStep } from "./sweep-step.js";
import { verifyAllHalf, verifyStep } from "./verify.js";
import { Workbench, type WorkbenchOptions } from "./workbench.js";

export interface DebugOptions extends WorkbenchOptions, RecommendStepOptions, Pick<SweepStepOptions, "sweepSamples" | "adaptive"> {
  /** Results folder. */
  folder: string;
  /** Relative L2 of the worst final output that must be met. */
  tolerance: number;
  fresh?: boolean;
  /** A real engine to test all of it on; none by default. */
  device?: DeviceOptions | undefined;
}

/**
 * What better fixes would bring beside the pins; undefined where none applies. Constants alone are not tried: `apply` keeps them finite, and so does every candidate
 * that was measured.
 */
async function fixesBeside(
  bench: Workbench,
  compared: Compared,
  overrides: Overrides,
  tolerance: number,
  folder: string,
): Promise<FixReport | undefined> {
  if (bench.half !== undefined) return undefined;
  const plan = await findFixes(bench, compared);
  if (!plan.fixes.some((f) => f.kind === "fuse-norm" || f.kind === "scale-norm" || f.kind === "raise-epsilon")) return undefined;
  return tryFixes(bench, plan, {
    tolerance: defaultFixTolerance,
    pins: overrides.pins.map((p) => p.layer),
    pinTolerance: tolerance,
    scratch: folder,
  });
}

async function fp32ShareOf(bench: Workbench, { pins }: Overrides): Promise<number> {
  const { roundings, types } = await bench.subject();
  return shareOf(
    pins.map((p) => p.layer),
    workByLayer(roundings.floats, types),
  );
}

/** The main job: measure, sweep, recommend, apply, verify, report; with a device also on a real engine. Every step is saved when it is done. */
export async function debugModel(path: string, o: DebugOptions): Promise<ResultDocument> {
  const timings: Record<string, number> = {};
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const start = performance.now();
    const value = await work();
    timings[name] = (performance.now() - start) / 1000;
    return value;
  };
  using bench = await timed("open", () => Workbench.open(path, o));
  // A profile that does not hold, a plan that cannot be written, a library or GPU that is missing, pins that name no layer should show before a sweep of minutes. Profiles and
  // paths need no library.
  if (o.device !== undefined) profilesFor(bench, o.device);
  if (o.device?.savePlan !== undefined) await requirePlanPlace(o.device.savePlan, o.folder);
  await using device = o.device && (await openDevice(o.device));
  await openResultsFolder(o.folder);
  await timed("prepare", () => bench.subject());
  if (o.pinsLike !== undefined) await likeStep(bench, o.pinsLike);
  let result: ResultDocument = { ...newResult(bench, o.tolerance), timings };
  const keep = async (more: Partial<ResultDocument>) => {
    result = { ...result, ...more };
    await saveResult(o.folder, result);
  };
  const compared = await timed("compare", () => compareStep(bench));
  await keep(withCompared(result, compared));
  const sensitivity = await timed("sweep", () => sweepStep(bench, compared.basePins, { ...o, timings }));
  await keep(withSweep(result, sensitivity, compared.basePins));
  const { recommendation, overrides } = await timed("recommend", () =>
    recommendStep(bench, sensitivity, compared.basePins, o.tolerance, {
      goal: o.goal,
      prefer: o.prefer,
      trials: o.trials,
      pinsLike: o.pinsLike,
    }),
  );
  await keep({ recommendation, overrides });
  await writeTextFile(join(o.folder, resultFiles.overrides), formatOverrides(overrides));
  const mixed = join(o.folder, resultFiles.mixed);
  await timed("apply", async () =>
    applyPlan(await bench.subject(), overrides, mixed, {
      progress: bench.progress,
      signal: bench.signal,
      io: bench.halfFace ? "convert" : "keep",
    }),
  );
  const verdict = await timed("verify", () => verifyStep(bench, mixed, o.tolerance));
  const verdictAllHalf = await verifyAllHalf(bench, o.tolerance);
  await keep({ verdict, verdictAllHalf });
  const fixes = await timed("fixes", () => fixesBeside(bench, compared, overrides, o.tolerance, o.folder));
  const choices = choicesBetween(
    {
      pins: overrides.pins.map((p) => p.layer),
      error: verdict.outcome === "not-finite" ? Number.POSITIVE_INFINITY : verdict.error,
      fp32Share: await fp32ShareOf(bench, overrides),
    },
    fixes,
    o.tolerance,
  );
  // Saved in any case: the page shows how long each step took.
  await keep({ ...(fixes && { fixes }), ...(choices && { choices }) });
  await writeTextFile(join(o.folder, resultFiles.report), renderHtml(result));
  if (device === undefined) return result;
  const { warnings } = result;
  const found = { compared, sensitivity, overrides, mixed, verdict, verdictAllHalf, fixes };
  const report = () => writeTextFile(join(o.folder, resultFiles.report), renderHtml(result));
  try {
    await deviceStep(bench, device, { ...o, ...found, prefer: o.prefer ?? "pins" }, async (shown, more, seconds) => {
      Object.assign(timings, seconds);
      await keep({ device: shown, warnings: [...warnings, ...more] });
    });
  } catch (error) {
    // Engines that were built cost minutes: the page shows them, and the one that ended the work. What ended it is said by the error.
    await report().then(
      () => bench.progress.note(`What was measured until then: ${join(o.folder, resultFiles.report)}`),
      () => undefined,
    );
    throw error;
  }
  await report();
  return result;
}
