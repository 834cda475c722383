import { access, constants, copyFile, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type DeviceResult, type EngineRecord, UsageError } from "@halfscope/core";
import { type DeviceEngine, type EnginePrecision, sidecarPath, savePlan as writePlan } from "@halfscope/engine";
import { type EngineSpec, measureEngine } from "./measure-engine.js";
import type { DeviceSession } from "./session.js";

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
    const full = resolve(path);
    try {
      await access(dirname(full), constants.W_OK | constants.X_OK);
    } catch (cause) {
      throw new UsageError("ERR_OUTPUT_NOT_WRITABLE", `${path} cannot be written: ${(cause as Error).message}.`, {
        hint: "Choose a folder that is there and that you may write to with --save-plan.",
        cause,
      });
    }
    return new PlanKeeper(full, join(scratch, "waiting.plan"));
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
      throw new UsageError("ERR_OUTPUT_NOT_WRITABLE", `${to} cannot be written: ${(cause as Error).message}.`, {
        hint: "Free some space on the disk, or choose another folder with --save-plan, and give the same command again: what was built is in the journal.",
        cause,
      });
    }
  }
}
