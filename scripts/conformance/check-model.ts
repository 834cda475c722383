/** All steps of one model, in order. Nothing here throws: what goes wrong is in the record. */
import { HalfscopeError } from "@halfscope/core";
import { expectedRefusal } from "./bad-on-purpose.js";
import type { ConformanceModel } from "./models.js";
import { type ModelRecord, outcomeOf, type StepName, type StepRecord } from "./record.js";
import { listStep, loadStep, readStep } from "./steps/load.js";
import { measureStep, prepareStep } from "./steps/measure.js";
import { realiseStep } from "./steps/realise.js";
import { referenceStep } from "./steps/reference.js";
import { Refused, Void } from "./steps/verdicts.js";

export interface CheckOptions {
  /** Where realised files are written; they stay there for the checker. */
  folder: string;
  /** Told before each step begins: what was under way when a process died. */
  begin?: (step: StepName) => void;
}
export interface Checked {
  record: ModelRecord;
  /** Realised files that the ONNX checker has to see. */
  files: string[];
}

export async function checkModel(model: ConformanceModel, o: CheckOptions): Promise<Checked> {
  const run = new Steps(model, o.begin);
  const files: string[] = [];
  const started = performance.now();
  const read = await run.step("read", () => readStep(model.path));
  if (read !== undefined) {
    const layers = await run.step("list", () => listStep(read.model));
    const loaded = layers && (await run.step("load", () => loadStep(read)));
    const reference = loaded && (await run.step("reference", (note) => referenceStep(model.path, loaded, note)));
    if (layers && loaded && reference) {
      const prepared = await run.step("isolated", async (note) => {
        const subject = await prepareStep(loaded, layers, reference);
        await measureStep(subject, "isolated", note);
        return subject;
      });
      if (prepared !== undefined) {
        await run.step("accumulated", (note) => measureStep(prepared, "accumulated", note));
        for (const plan of ["half", "mixed"] as const) {
          const file = await run.step(plan, (note) => realiseStep(prepared, plan, { id: model.id, folder: o.folder }, files, note));
          if (file === undefined) continue;
        }
      }
    }
  }
  const seconds = (performance.now() - started) / 1000;
  const { id, collection, path } = model;
  return { record: { id, collection, path, outcome: outcomeOf(run.records), steps: run.records, seconds }, files };
}

type Note = (text: string) => void;

class Steps {
  readonly records: StepRecord[] = [];
  constructor(
    private readonly model: ConformanceModel,
    private readonly begin: ((step: StepName) => void) | undefined,
  ) {}

  /** Does one step; undefined when it ended with anything but ok, and then what depends on it is not tried. */
  async step<T>(step: StepName, work: (note: Note) => Promise<T> | T): Promise<T | undefined> {
    this.begin?.(step);
    const started = performance.now();
    const notes: string[] = [];
    const done = (status: StepRecord["status"], reason?: string) =>
      this.records.push({
        step,
        status,
        ...(reason !== undefined && { reason }),
        ...(notes.length > 0 && { notes }),
        seconds: (performance.now() - started) / 1000,
      });
    try {
      const result = await work((text) => notes.push(text));
      const expected = expectedRefusal(this.model.collection, this.model.id);
      if (expected?.step === step) done("failed", `expected ${expected.code} (${expected.words.source}), found no error`);
      else done("ok");
      return result;
    } catch (error) {
      const { status, reason } = this.judge(step, error);
      done(status, reason);
      return undefined;
    }
  }

  private judge(step: StepName, error: unknown): { status: StepRecord["status"]; reason: string } {
    const reason = describe(error);
    const expected = expectedRefusal(this.model.collection, this.model.id);
    if (expected !== undefined && error instanceof HalfscopeError)
      return expected.step === step && expected.code === error.code && expected.words.test(error.message)
        ? { status: "refused", reason: `bad on purpose: ${reason}` }
        : { status: "failed", reason: `${reason} (expected ${expected.code} ${expected.words.source} in step ${expected.step})` };
    if (error instanceof Refused) return { status: "refused", reason: `ONNX Runtime: ${error.message}` };
    if (error instanceof Void) return { status: "void", reason };
    return { status: "failed", reason };
  }
}

function describe(error: unknown): string {
  if (error instanceof HalfscopeError) return `${error.code}: ${error.message}`;
  if (error instanceof Refused || error instanceof Void || !(error instanceof Error))
    return error instanceof Error ? error.message : String(error);
  const place = /\n\s+at .*?([\w-]+\.[jt]s:\d+)/.exec(error.stack ?? "")?.[1];
  return `${error.name}: ${error.message}${place === undefined ? "" : ` (${place})`}`;
}
