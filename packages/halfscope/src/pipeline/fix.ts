import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import {
  type AppliedFix,
  type ErrorStats,
  type FixReport,
  InputError,
  meanAbs,
  mergeStats,
  relativeL2,
  type TensorValue,
  UsageError,
} from "@halfscope/core";
import { compareTensors } from "@halfscope/engine";
import { writeRope } from "@halfscope/onnx";
import { applyFixes, type Fix, type FixKind, type FixPlan, planFixes, rangeOf } from "@halfscope/precision";
import { refuseOverwriting } from "./apply.js";
import { type Compared, compareStep } from "./compare-step.js";
import { allHalfError, halfErrors } from "./fix-errors.js";
import { makeScratchFolder } from "./scratch-folder.js";
import { Workbench, type WorkbenchOptions } from "./workbench.js";

export interface FixOptions extends WorkbenchOptions {
  /** File to write; nothing is written when absent, only found. */
  out?: string | undefined;
  /** Kinds of fixes; all by default. */
  only?: readonly FixKind[] | undefined;
  /** Fixes for these layers alone, by id. */
  layers?: readonly string[] | undefined;
  /** Largest relative L2 by which fixes may change a final output in FP32. Defaults to 1e-4. */
  tolerance?: number;
  /** Find them, and measure nothing of them. */
  listOnly?: boolean;
  /** Measure each fix alone too. */
  each?: boolean;
}

export const defaultFixTolerance = 1e-4;

/**
 * Finds better fixes than pins, applies them, and proves them: the fixed model's FP32 outputs against the original's, on every sample. Fixes that change them beyond
 * the tolerance give way to milder ones, or are left out and named. Nothing is written when none is left. Throws ERR_MODEL_UNSUPPORTED for models that are in FP16
 * already, ERR_OPTION for layers that the model lacks.
 */
export async function fixModel(path: string, o: FixOptions): Promise<FixReport> {
  // Attention stays one node: what is written should differ from the file by the fixes alone.
  using bench = await Workbench.open(path, { ...o, expandNodes: false });
  if (bench.half !== undefined)
    throw new InputError("ERR_MODEL_UNSUPPORTED", `${path} is in FP16 already, and what rounding cost it cannot be mended in it.`, {
      hint: "Fix the FP32 original and convert it again.",
    });
  const out = o.out === undefined ? undefined : resolve(o.out);
  if (out !== undefined) {
    refuseOverwriting(out, bench.model);
    refuseOverwriting(`${out}.data`, bench.model);
  }
  const unknown = o.layers?.find((id) => !bench.layers.some((l) => l.id === id));
  if (unknown !== undefined)
    throw new UsageError("ERR_OPTION", `The model has no layer ${JSON.stringify(unknown)}.`, {
      hint: "`halfscope inspect` lists the layers.",
    });
  const tolerance = o.tolerance ?? defaultFixTolerance;
  const found = await findFixes(bench, await compareStep(bench), o.only);
  const plan: FixPlan = {
    fixes: found.fixes.filter((f) => o.layers?.some((l) => f.layers.includes(l)) ?? true),
    none: found.none.filter((n) => o.layers?.includes(n.layer) ?? true),
  };
  if (plan.fixes.length === 0) return { outcome: "nothing-to-fix", fixes: [], leftOut: [], none: plan.none, tolerance, fp32Change: 0 };
  if (o.listOnly)
    return { outcome: "fixed", fixes: plan.fixes.map((f) => described(f)), leftOut: [], none: plan.none, tolerance, fp32Change: 0 };
  return tryFixes(bench, plan, { tolerance, out, each: o.each ?? false });
}

/** Fixes that answer what a comparison has shown. */
export async function findFixes(bench: Workbench, compared: Compared, only?: readonly FixKind[]): Promise<FixPlan> {
  const ranges = new Map(compared.accumulated.tensors.map((t) => [t.tensor, rangeOf(t.stats)]));
  return planFixes({ ...(await bench.subject()), hazards: compared.hazards, range: (t) => ranges.get(t) }, only);
}

interface TryOptions {
  tolerance: number;
  out?: string | undefined;
  /** Folder for what goes away again, where nothing is written. */
  scratch?: string | undefined;
  /** Layers that pins keep in FP32: also measured on the fixed model. */
  pins?: readonly string[] | undefined;
  /** Relative L2 that pins are meant to meet: what the fixed model does without is let go of. */
  pinTolerance?: number | undefined;
  each?: boolean;
}

/** Writes the fixed model beside its place, measures it there, and moves it into place when it holds. */
export async function tryFixes(bench: Workbench, plan: FixPlan, o: TryOptions): Promise<FixReport> {
  const name = o.out === undefined ? "fixed.onnx" : basename(o.out);
  // In the folder that it will lie in: a rename is one step, and the disk is the one that was chosen.
  const folder = await makeScratchFolder(o.out === undefined ? o.scratch : dirname(o.out));
  try {
    const trial: Trial = { bench, folder, name };
    let fixes = plan.fixes;
    let written = await writeFixed(trial, fixes);
    let change = await changeInFull(trial);
    const leftOut: { id: string; title: string; fp32Change: number }[] = [];
    const alone = new Map<string, number>();
    if (!(change.fp32Change <= o.tolerance)) {
      const kept: Fix[] = [];
      for (const first of fixes) {
        const found = await mildEnough(trial, first, o.tolerance);
        if (found.fp32Change <= o.tolerance) kept.push(found.fix);
        else leftOut.push({ id: first.id, title: found.fix.title, fp32Change: found.fp32Change });
        alone.set(first.id, found.fp32Change);
      }
      fixes = kept;
      written = fixes.length > 0 && (await writeFixed(trial, fixes));
      change = written ? await changeInFull(trial) : change;
    }
    const measured = written ? await halfErrors(bench, await openFixed(trial), fixes, o) : {};
    const report: FixReport = {
      outcome: "fixed",
      fixes: fixes.map((f) => described(f, alone.get(f.id))),
      leftOut,
      none: plan.none,
      tolerance: o.tolerance,
      ...change,
      ...measured,
    };
    if (fixes.length === 0 || !(change.fp32Change <= o.tolerance)) return { ...report, outcome: "changes-too-much" };
    const answer = o.each ? { ...report, fixes: await measureEach(bench, fixes, folder) } : report;
    if (o.out === undefined) return answer;
    const external = `${name}.data`;
    if (existsSync(join(folder, external))) await rename(join(folder, external), join(dirname(o.out), external));
    await rename(join(folder, name), o.out);
    return { ...answer, path: o.out };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const described = ({ id, kind, title, note, layers }: Fix, fp32Change?: number): AppliedFix => ({
  id,
  kind,
  title,
  ...(note !== undefined && { note }),
  layers,
  ...(fp32Change !== undefined && { fp32Change }),
});

/** Where a fixed model lies for the time of the measurement. */
interface Trial {
  readonly bench: Workbench;
  readonly folder: string;
  readonly name: string;
}

async function writeFixed({ bench, folder, name }: Trial, fixes: readonly Fix[]): Promise<boolean> {
  const { rope, external } = applyFixes(bench.model, fixes, `${name}.data`, bench.view);
  if (external !== undefined) await writeRope(join(folder, `${name}.data`), external, { signal: bench.signal });
  await writeRope(join(folder, name), rope, { signal: bench.signal });
  return true;
}

/** The fix, or the first milder form of it, that changes FP32 results within the tolerance; the mildest where none does. */
async function mildEnough(trial: Trial, first: Fix, tolerance: number): Promise<{ fix: Fix; fp32Change: number }> {
  let fix = first;
  for (;;) {
    await writeFixed(trial, [fix]);
    const { fp32Change } = await changeInFull(trial);
    if (fp32Change <= tolerance || fix.milder === undefined) return { fix, fp32Change };
    fix = fix.milder;
  }
}

/** Each fix by itself: what it changes in FP32, and what it leaves of the error of FP16. */
async function measureEach(bench: Workbench, fixes: readonly Fix[], folder: string): Promise<AppliedFix[]> {
  const measured: AppliedFix[] = [];
  // Under another name: the file with all of them still lies there.
  const trial: Trial = { bench, folder, name: "one.onnx" };
  for (const fix of fixes) {
    await writeFixed(trial, [fix]);
    const { fp32Change } = await changeInFull(trial);
    using fixed = await openFixed(trial);
    measured.push({ ...described(fix, fp32Change), allHalfAfter: await allHalfError(fixed) });
  }
  return measured;
}

const openFixed = ({ bench, folder, name }: Trial): Promise<Workbench> => Workbench.open(join(folder, name), bench.options);

/** What the written model changes in FP32, over all samples. */
async function changeInFull(trial: Trial): Promise<Required<Pick<FixReport, "fp32Change" | "outputs">>> {
  const { bench } = trial;
  using fixed = await openFixed(trial);
  const stats = new Map<string, ErrorStats>();
  let fp32Change = 0;
  for (const [i, feed] of bench.feeds.entries()) {
    const own = fixed.feeds[i];
    if (own === undefined) break;
    const before = (await bench.reference(feed)).outputs;
    const after = (await fixed.reference(own)).outputs;
    for (const [name, value] of before) {
      if (value.dtype !== "float32") continue;
      const found = await changeOf(value, after.get(name));
      if (found === undefined) {
        fp32Change = Number.POSITIVE_INFINITY;
        continue;
      }
      fp32Change = Math.max(fp32Change, found.nonFiniteMismatch > 0 ? Number.POSITIVE_INFINITY : relativeL2(found));
      const known = stats.get(name);
      stats.set(name, known === undefined ? found : mergeStats(known, found));
    }
  }
  const outputs = [...stats].map(([name, s]) => [name, { maxAbs: s.maxAbs, meanAbs: meanAbs(s), relativeL2: relativeL2(s) }] as const);
  return { fp32Change, outputs: Object.fromEntries(outputs) };
}

/** undefined where the two are not comparable. */
async function changeOf(a: TensorValue, b: TensorValue | undefined): Promise<ErrorStats | undefined> {
  return b?.dtype === "float32" && b.data.length === a.data.length ? compareTensors(a, b) : undefined;
}
