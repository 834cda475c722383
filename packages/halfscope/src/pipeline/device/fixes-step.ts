import { join } from "node:path";
import type { EngineRecord, FixReport, Verdict } from "@halfscope/core";
import { applyPlan } from "../apply.js";
import type { Compared } from "../compare-step.js";
import { findFixes, tryFixes } from "../fix.js";
import { Workbench } from "../workbench.js";
import { planOf } from "./device-files.js";
import { measureEngine } from "./measure-engine.js";
import { errorOutcome } from "./prediction.js";
import type { DeviceSession } from "./session.js";

export interface FixedEngine {
  record: EngineRecord;
  /** What the emulation said of it. */
  predicted: Pick<Verdict, "outcome" | "error">;
}

/**
 * The better fixes than pins that were found on the CPU, with the pins that are still needed, as an engine: what they cost against pins shows in milliseconds only here.
 * Undefined where there are none, and where precision is not said by the file. The reference stays the original's engine.
 */
export async function fixesStep(s: DeviceSession, compared: Compared, report: FixReport | undefined): Promise<FixedEngine | undefined> {
  const with_ = report?.withPins;
  if (report?.outcome !== "fixed" || with_ === undefined || s.typing !== "typed") return undefined;
  const { pins, error } = with_.needed ?? with_;
  const word = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;
  const title = `${word(report.fixes.length, "fix").replace(/fixs$/, "fixes")}${pins.length > 0 ? ` and ${word(pins.length, "pin")}` : ""}`;
  const record = await measureEngine(s, {
    role: "trial",
    title,
    pins,
    edits: report.fixes.map((f) => f.id),
    path: () => write(s, compared, report.tolerance, pins),
  });
  return { record, predicted: errorOutcome(error, s.tolerance) };
}

/** The fixed model in FP16 but for the pins. */
async function write(s: DeviceSession, compared: Compared, tolerance: number, pins: readonly string[]): Promise<string> {
  const { bench } = s;
  const fixed = join(s.scratch, "fixed.onnx");
  await tryFixes(bench, await findFixes(bench, compared), { tolerance, out: fixed });
  using model = await Workbench.open(fixed, bench.options);
  const path = join(s.scratch, "fixed-half.onnx");
  await applyPlan(await model.subject(), planOf(model, pins), path, { progress: bench.progress, signal: bench.signal });
  await s.files.drop(fixed);
  return path;
}
