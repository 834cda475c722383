/** A model with what the CPU found of it, to be put on one engine after another. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { DeviceResult } from "@halfscope/core";
import { makeBert } from "../../../../../../scripts/make-bert/make-bert.js";
import { EmulatedBackend, type Planted } from "../../../../../../test/support/emulated-backend.js";
import { applyPlan } from "../../apply.js";
import { compareStep } from "../../compare-step.js";
import { defaultFixTolerance, findFixes, tryFixes } from "../../fix.js";
import { recommendStep } from "../../recommend-step.js";
import { sweepStep } from "../../sweep-step.js";
import { verifyAllHalf, verifyStep } from "../../verify.js";
import { Workbench } from "../../workbench.js";
import { type DeviceStepInput, deviceStep } from "../device-step.js";
import type { DeviceOptions } from "../options.js";
import { openDevice } from "../session.js";

const size = { layers: 2, hidden: 64, heads: 4, vocab: 200, maxPosition: 64, head: "qa" } as const;

/** What the CPU finds of a model, once: engines differ in the tests, models do not. */
export class Subject {
  readonly mixed: string;
  private runs = 0;
  private constructor(
    private readonly folder: string,
    readonly name: string,
    readonly bench: Workbench,
    private readonly found: Omit<DeviceStepInput, "folder" | "mixed">,
  ) {
    this.mixed = join(folder, name, "mixed.onnx");
  }

  static async make(
    folder: string,
    name: string,
    tolerance: number,
    faults: Parameters<typeof makeBert>[0]["faults"] = [],
  ): Promise<Subject> {
    mkdirSync(join(folder, name));
    const path = join(folder, name, "model.onnx");
    await makeBert({ path, ...size, faults });
    const bench = await Workbench.open(path, { like: "tensorrt", threads: 2 });
    const compared = await compareStep(bench);
    const sensitivity = await sweepStep(bench, compared.basePins, { adaptive: true, tolerance });
    const { overrides } = await recommendStep(bench, sensitivity, compared.basePins, tolerance, { trials: 60 });
    const mixed = join(folder, name, "mixed.onnx");
    await applyPlan(await bench.subject(), overrides, mixed, { progress: bench.progress });
    const verdict = await verifyStep(bench, mixed, tolerance);
    const verdictAllHalf = await verifyAllHalf(bench, tolerance);
    const plan = await findFixes(bench, compared);
    const pins = overrides.pins.map((p) => p.layer);
    const fixes =
      plan.fixes.length === 0 ? undefined : await tryFixes(bench, plan, { tolerance: defaultFixTolerance, pins, pinTolerance: tolerance });
    const found = { compared, sensitivity, overrides, verdict, verdictAllHalf, fixes };
    return new Subject(folder, name, bench, { ...found, tolerance, prefer: "pins" });
  }

  get pins(): string[] {
    return this.found.overrides.pins.map((p) => p.layer);
  }

  async on(plant: Planted = {}, options: Partial<DeviceOptions> & { at?: string } = {}): Promise<Run> {
    const { at = join(this.folder, this.name, `results-${this.runs++}`), ...more } = options;
    mkdirSync(at, { recursive: true });
    const backend = new EmulatedBackend(plant);
    const saved: DeviceResult[] = [];
    let warnings: readonly string[] = [];
    await using device = await openDevice({ engine: "tensorrt", open: async () => backend, ...more });
    const input = { ...this.found, mixed: this.mixed, folder: at };
    const work = deviceStep(this.bench, device, input, async (result, warned) => {
      saved.push(result);
      warnings = warned;
    });
    const failure = await work.then(
      () => undefined,
      (error: unknown) => error,
    );
    return { result: saved.at(-1) as DeviceResult, saved, warnings, backend, folder: at, failure };
  }
}

export interface Run {
  result: DeviceResult;
  saved: readonly DeviceResult[];
  warnings: readonly string[];
  backend: EmulatedBackend;
  folder: string;
  failure: unknown;
}
