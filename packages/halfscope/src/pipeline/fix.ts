import { existsSync } from "node:fs";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { type FixReport, InputError, relativeL2, type TensorValue } from "@halfscope/core";
import { compareTensors } from "@halfscope/engine";
import { writeRope } from "@halfscope/onnx";
import { applyFixes, type Fix, type FixKind, type FixPlan, planFixes, withPins } from "@halfscope/precision";
import { refuseOverwriting } from "./apply.js";
import { compareStep } from "./steps.js";
import { verifyAllHalf } from "./verify.js";
import { Workbench, type WorkbenchOptions } from "./workbench.js";

export interface FixOptions extends WorkbenchOptions {
  /** File to write; nothing is written when absent, only found. */
  out?: string | undefined;
  /** Kinds of fixes; all by default. */
  only?: readonly FixKind[] | undefined;
  /** Largest relative L2 by which fixes may change a final output in FP32. Defaults to 1e-4. */
  tolerance?: number;
}

export const defaultFixTolerance = 1e-4;

/**
 * Finds better fixes than pins, applies them, and proves them: the fixed model's FP32 outputs against the original's, on every sample. Fixes that change them beyond
 * the tolerance are left out and named. Nothing is written when none is left. Throws ERR_MODEL_UNSUPPORTED for models that are in FP16 already.
 */
export async function fixModel(path: string, o: FixOptions): Promise<FixReport> {
  // Attention stays one node: what is written should differ from the file by the fixes alone.
  using bench = await Workbench.open(path, { ...o, expandNodes: false });
  if (bench.half !== undefined)
    throw new InputError("ERR_MODEL_UNSUPPORTED", `${path} is in FP16 already, and what rounding cost it cannot be mended in it.`, {
      hint: "Fix the FP32 original and convert it again.",
    });
  const out = o.out === undefined ? undefined : resolve(o.out);
  if (out !== undefined) refuseOverwriting(out, bench.model);
  const compared = await compareStep(bench);
  const plan = planFixes({ ...(await bench.subject()), hazards: compared.hazards }, o.only);
  if (plan.fixes.length === 0) return { ...emptyReport(plan), outcome: "nothing-to-fix" };
  return tryFixes(bench, plan, { tolerance: o.tolerance ?? defaultFixTolerance, out });
}

interface TryOptions {
  tolerance: number;
  out?: string | undefined;
  /** Folder for what goes away again, where nothing is written. */
  scratch?: string | undefined;
  /** Layers that pins keep in FP32: also measured on the fixed model. */
  pins?: readonly string[] | undefined;
}

/** Writes the fixed model beside its place, measures it there, and moves it into place when it holds. */
export async function tryFixes(bench: Workbench, plan: FixPlan, o: TryOptions): Promise<FixReport> {
  const name = o.out === undefined ? "fixed.onnx" : basename(o.out);
  // In the folder that it will lie in: a rename is one step, and the disk is the one that was chosen.
  const folder = await mkdtemp(join(o.out === undefined ? (o.scratch ?? tmpdir()) : dirname(o.out), ".halfscope-fix-"));
  try {
    let fixes = plan.fixes;
    let measured = await measureFixes(bench, fixes, folder, name, o.pins);
    const leftOut: { id: string; title: string; fp32Change: number }[] = [];
    if (!(measured.fp32Change <= o.tolerance)) {
      const kept: Fix[] = [];
      for (const fix of fixes) {
        const { fp32Change } = await measureFixes(bench, [fix], folder, name, undefined);
        if (fp32Change <= o.tolerance) kept.push(fix);
        else leftOut.push({ id: fix.id, title: fix.title, fp32Change });
      }
      fixes = kept;
      if (fixes.length > 0) measured = await measureFixes(bench, fixes, folder, name, o.pins);
    }
    const report: FixReport = {
      outcome: "fixed",
      fixes: fixes.map(({ id, kind, title, layers }) => ({ id, kind, title, layers })),
      leftOut,
      none: plan.none,
      tolerance: o.tolerance,
      ...measured,
    };
    if (fixes.length === 0 || !(measured.fp32Change <= o.tolerance)) return { ...report, outcome: "changes-too-much" };
    if (o.out === undefined) return report;
    const external = `${name}.data`;
    if (existsSync(join(folder, external))) await rename(join(folder, external), join(dirname(o.out), external));
    await rename(join(folder, name), o.out);
    return { ...report, path: o.out };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Measured = Pick<FixReport, "fp32Change" | "allHalfBefore" | "allHalfAfter" | "withPins">;

async function measureFixes(
  bench: Workbench,
  fixes: readonly Fix[],
  folder: string,
  name: string,
  pins: readonly string[] | undefined,
): Promise<Measured> {
  const { rope, external } = applyFixes(bench.model, fixes, `${name}.data`);
  if (external !== undefined) await writeRope(join(folder, `${name}.data`), external, { signal: bench.signal });
  await writeRope(join(folder, name), rope, { signal: bench.signal });
  using fixed = await Workbench.open(join(folder, name), bench.options);
  let fp32Change = 0;
  for (const [i, feed] of bench.feeds.entries()) {
    const own = fixed.feeds[i];
    if (own === undefined) break;
    fp32Change = Math.max(fp32Change, await largestChange((await bench.reference(feed)).outputs, (await fixed.reference(own)).outputs));
  }
  const known = new Set(fixed.layers.map((l) => l.id));
  const left = pins?.filter((l) => known.has(l) && !fixes.some((f) => f.layers.includes(l)));
  const half = async (b: Workbench, pinned: readonly string[] = []) =>
    verifyAllHalf(b, 1, (p) => withPins(p, pinned)).then((v) => (v.outcome === "not-finite" ? Number.POSITIVE_INFINITY : v.error));
  return {
    fp32Change,
    allHalfBefore: await half(bench),
    allHalfAfter: await half(fixed),
    ...(left !== undefined && { withPins: { pins: left, error: await half(fixed, left) } }),
  };
}

/** Largest relative L2 of a float output; Infinity where one is not comparable. */
async function largestChange(a: ReadonlyMap<string, TensorValue>, b: ReadonlyMap<string, TensorValue>): Promise<number> {
  let worst = 0;
  for (const [name, value] of a) {
    const other = b.get(name);
    if (value.dtype !== "float32") continue;
    if (other?.dtype !== "float32" || other.data.length !== value.data.length) return Number.POSITIVE_INFINITY;
    const stats = await compareTensors(value, other);
    worst = Math.max(worst, stats.nonFiniteMismatch > 0 ? Number.POSITIVE_INFINITY : relativeL2(stats));
  }
  return worst;
}

const emptyReport = (plan: FixPlan): Omit<FixReport, "outcome"> => ({
  fixes: [],
  leftOut: [],
  none: plan.none,
  tolerance: 0,
  fp32Change: 0,
});
