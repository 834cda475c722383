import { access, constants, copyFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { type DeviceResult, type EngineRecord, UsageError } from "@halfscope/core";
import { type DeviceEngine, type EnginePrecision, sidecarPath, savePlan as writePlan } from "@halfscope/engine";
import { type EngineSpec, measureEngine } from "./measure-engine.js";
import type { DeviceSession } from "./session.js";

/**
 * Refuses a path at which no plan can be written: asked for before a sweep of minutes, and again before the first build. `coming` is a folder that will be made before the
 * plan is written, with those that it lies in. Throws ERR_OUTPUT_NOT_WRITABLE.
 */
export async function requirePlanPlace(path: string, coming?: string): Promise<void> {
  const full = resolve(path);
  const folder = dirname(full);
  try {
    if (!(await stat(folder)).isDirectory()) throw new Error(`expected a folder at ${folder}, found none`);
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    if (isMissing && coming !== undefined && `${resolve(coming)}${sep}`.startsWith(`${folder}${sep}`)) return;
    throw notWritable(path, (cause as Error).message, "Choose a folder that is there and that you may write to with --save-plan.", cause);
  }
  for (const file of [full, sidecarPath(full)])
    if ((await stat(file).catch(() => undefined))?.isDirectory())
      throw notWritable(path, `expected a file or nothing at ${file}, found a folder`, "Give the name of a file with --save-plan.");
}

const notWritable = (path: string, why: string, hint: string, cause?: unknown): UsageError =>
  new UsageError("ERR_OUTPUT_NOT_WRITABLE", `${path} cannot be written: ${why}.`, { hint, cause });

/**
 * The plan that a person asked for: of the pins that the steps end with, which is known at the end only. The last built engine that meets the tolerance waits in a scratch
 * folder until then, so that it need not be built twice.
 */
export class PlanKeeper {
  private kept: { pins: string; record: EngineRecord } | undefined;
  private settled = false;

  private constructor(
    private readonly path: string,
    private readonly waiting: string,
  ) {}

  /** `scratch` goes away with the session. Throws ERR_OUTPUT_NOT_WRITABLE, before the first build. */
  static async open(path: string, scratch: string): Promise<PlanKeeper> {
    await requirePlanPlace(path);
    return new PlanKeeper(resolve(path), join(scratch, "waiting.plan"));
  }

  /** Called with each engine that was built as it would be served. */
  async offer(s: DeviceSession, engine: DeviceEngine, precision: EnginePrecision, record: EngineRecord): Promise<void> {
    // Of sets that do not meet the tolerance none but the recommended one is ever wanted.
    const better = record.outcome === "within" || (record.role !== "trial" && this.kept?.record.outcome !== "within");
    if (this.settled || !better) return;
    this.kept = undefined;
    await write(s, engine, precision, record, this.waiting);
    this.kept = { pins: keyOf(record.pins), record };
  }

  /**
   * Writes the plan of the refined pins, or of the recommended ones where there are none. An engine that the journal spared is built for it, and measured anew. What does not
   * meet the tolerance is written with a warning only.
   */
  async settle(s: DeviceSession, recommended: EngineSpec, refined: DeviceResult["refined"]): Promise<void> {
    this.settled = true;
    const wanted: EngineSpec =
      refined === undefined ? { ...recommended, needed: false } : { role: "trial", title: "pins found on the engine", pins: refined.pins };
    let record = this.kept?.pins === keyOf(wanted.pins) ? this.kept.record : undefined;
    if (record !== undefined) {
      await move(this.waiting, this.path);
      await move(sidecarPath(this.waiting), sidecarPath(this.path));
    } else {
      record = await measureEngine(s, wanted, (engine, { precision, record: built }) => write(s, engine, precision, built, this.path));
    }
    if (record.failed !== undefined) {
      s.warn(`No plan was written to ${this.path}: the engine ${record.failed}`);
      return;
    }
    const which = refined === undefined ? "the recommended pins" : "the pins found on the engine, not the recommended ones";
    if (record.outcome === "within") s.bench.progress.note(`The engine's plan, of ${which} (${record.pins.length}): ${this.path}`);
    else
      s.warn(
        `The plan ${this.path} does NOT meet the tolerance: its engine ${errorWords(record, s.tolerance)}. No set of pins that was tried does; it is of ${which}.`,
      );
  }
}

const keyOf = (pins: readonly string[]): string => [...pins].sort().join("\0");

const errorWords = ({ error = Number.NaN, outcome }: EngineRecord, tolerance: number): string =>
  outcome === "not-finite"
    ? "gives outputs that are not finite"
    : `has an error of ${error.toPrecision(3)}, ${outcome === "within" ? "within" : "beyond"} the tolerance of ${tolerance}`;

async function write(
  s: DeviceSession,
  engine: DeviceEngine,
  precision: EnginePrecision,
  record: EngineRecord,
  path: string,
): Promise<void> {
  const { title, pins } = record;
  const words = `${title}: ${pins.length} ${pins.length === 1 ? "pin" : "pins"}; the engine ${errorWords(record, s.tolerance)}`;
  const facts = { title: words, precision, pins, modelDigest: s.bench.model.digest, profiles: s.profiles };
  await writePlan(path, await engine.serialize(), facts, s.environment);
}

/** A reader sees the old file or the new one, also where the scratch folder is on another disk. */
async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch {
    const partial = `${to}.partial`;
    try {
      await copyFile(from, partial);
      await rename(partial, to);
    } catch (cause) {
      await rm(partial, { force: true });
      const hint =
        "Free some space on the disk, or choose another folder with --save-plan, and give the same command again: what was built is in the journal.";
      throw notWritable(to, (cause as Error).message, hint, cause);
    }
  }
}
