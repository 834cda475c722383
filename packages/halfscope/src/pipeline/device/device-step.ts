import { rm } from "node:fs/promises";
import { join } from "node:path";
import { agreementOf, depthsOf, latencyFront, messageHazards } from "@halfscope/analysis";
import type { Agreement, DeviceResult, EngineMessage, EngineRecord, FixReport, Overrides, Sensitivity, Verdict } from "@halfscope/core";
import { formatOverrides, overridesFromPlan } from "@halfscope/precision";
import { applyPlan } from "../apply.js";
import type { Compared } from "../compare-step.js";
import { resultFiles, writeTextFile } from "../results-folder.js";
import type { Workbench } from "../workbench.js";
import { planOf } from "./device-files.js";
import { fixesStep } from "./fixes-step.js";
import { guidesStep } from "./guides-step.js";
import { markedStep } from "./marked-step.js";
import { defaultEngineTrials, engineTitle, notRealHalf } from "./options.js";
import { Predictions, predictTensors, verdictBeside } from "./prediction.js";
import { recommendedStep } from "./recommended-step.js";
import { referenceStep } from "./reference-step.js";
import { DeviceSession, type OpenedDevice } from "./session.js";
import { trialsStep } from "./trials-step.js";

/** What was found on the CPU, and where things go. */
export interface DeviceStepInput {
  compared: Compared;
  sensitivity: Sensitivity;
  overrides: Overrides;
  /** The recommended pins' file. */
  mixed: string;
  verdict: Verdict;
  verdictAllHalf: Verdict;
  /** Better fixes than pins. */
  fixes?: FixReport | undefined;
  tolerance: number;
  prefer: "pins" | "work";
  folder: string;
  fresh?: boolean | undefined;
}

type Keep = (device: DeviceResult, warnings: readonly string[], seconds: Readonly<Record<string, number>>) => Promise<void>;

/**
 * The steps on a real engine: reference, marked pair, recommended pins, what guides advise, trials, agreement. `keep` is called after each with all that is known. Times
 * are measurements like errors here: two runs differ in them.
 */
export async function deviceStep(bench: Workbench, device: OpenedDevice, o: DeviceStepInput, keep: Keep): Promise<DeviceResult> {
  await using s = await DeviceSession.open(bench, device, o);
  const real = s.environment.capabilities.realHalf;
  if (!real) s.warn(notRealHalf(s.environment));
  if (s.journal.size > 0) bench.progress.note("Going on with the engines that engine.jsonl has already; --fresh builds them anew.");
  // Of an earlier run in this folder, of which nobody knows yet whether it still holds.
  for (const name of [resultFiles.engineOverrides, resultFiles.engineMixed, `${resultFiles.engineMixed}.data`])
    await rm(join(o.folder, name), { force: true });
  const engines: EngineRecord[] = [];
  const seconds: Record<string, number> = {};
  let result: DeviceResult = { environment: s.environment, options: s.asked, engines };
  const save = async (more: Partial<DeviceResult> = {}) => {
    const hazards = messageHazards(messagesOf(engines), placesIn(bench), engineTitle(s.environment));
    const front = latencyFront(engines);
    result = { ...result, ...more, engines: [...engines], ...(hazards.length > 0 && { hazards }), ...(front.length > 1 && { front }) };
    await keep(result, s.warnings, seconds);
  };
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const start = performance.now();
    const value = await work();
    seconds[name] = (performance.now() - start) / 1000;
    return value;
  };

  engines.push(await timed("engine reference", () => referenceStep(s)));
  await save();

  const prediction = await predictTensors(bench, o.compared);
  const marked = await timed("engine all half", () => markedStep(s, prediction));
  engines.push(...marked.engines);
  if (marked.tensors.length > 0) seconds["engine marked run"] = marked.seconds;
  await save({
    ...(marked.tensors.length > 0 && { tensors: marked.tensors }),
    ...(marked.notObserved.length > 0 && { notObserved: marked.notObserved }),
    ...(marked.marking.length > 0 && { marking: marked.marking }),
  });
  const [allHalf] = marked.engines as [EngineRecord, ...EngineRecord[]];

  const pins = o.overrides.pins.map((p) => p.layer);
  const recommended = await timed("engine recommended", () => recommendedStep(s, pins, o.mixed));
  engines.push(recommended);
  await save();

  const predictions = new Predictions(bench, o.tolerance);
  const verdicts: Agreement["verdicts"][number][] = [verdictBeside(allHalf, o.verdictAllHalf), verdictBeside(recommended, o.verdict)];
  const depths = depthsOf(bench.view);
  const saveAgreement = () => save(real ? { agreement: agreementOf(verdicts, marked.tensors, depths) } : {});
  await saveAgreement();

  if (s.options.guides ?? true) {
    const guides = await timed("engine guides", () => guidesStep(s));
    if (guides !== undefined) {
      engines.push(guides);
      verdicts.push(verdictBeside(guides, await predictions.of(guides.pins)));
      await saveAgreement();
    }
  }

  if (!real) return result;
  const most = s.options.trials ?? defaultEngineTrials;
  const fixed = most > 0 ? await timed("engine fixes", () => fixesStep(s, o.compared, o.fixes)) : undefined;
  if (fixed !== undefined) {
    engines.push(fixed.record);
    verdicts.push(verdictBeside(fixed.record, fixed.predicted));
    await saveAgreement();
  }
  const before = engines.length;
  const { sensitivity, prefer } = o;
  const emulate = (tried: readonly string[]) => predictions.errorOf(tried);
  const found = await timed("engine trials", () =>
    trialsStep(
      s,
      { sensitivity, prefer, allHalf, recommended, tensors: marked.tensors, emulate, most: most - (fixed ? 1 : 0) },
      async ({ engines: more, trials, refined }) => {
        engines.splice(before, engines.length, ...more);
        const last = more.at(-1);
        if (last !== undefined) verdicts.push(verdictBeside(last, await predictions.of(last.pins)));
        await save({ trials, ...(refined && { refined }), agreement: agreementOf(verdicts, marked.tensors, depths) });
      },
    ),
  );
  await save({ trials: found.trials, ...(found.refined && { refined: found.refined }) });
  if (found.refined !== undefined) await writeRefined(bench, found.refined, o);
  return result;
}

const messagesOf = (engines: readonly EngineRecord[]): EngineMessage[] => engines.flatMap((e) => e.messages);

const placesIn = ({ layers, view }: Workbench) => ({ layers, nodeNames: view.nodes.map((n) => n.name) });

/** Files beside those of the recommendation: the pins that meet the tolerance on the engine. */
async function writeRefined(bench: Workbench, refined: NonNullable<DeviceResult["refined"]>, { folder }: DeviceStepInput): Promise<void> {
  const plan = planOf(bench, refined.pins);
  const pins = plan.pins.map((p) => ({ ...p, reason: "an engine trial" }));
  const note = "Found by trials on a real engine; overrides.json holds what was recommended on the CPU.";
  const overrides = overridesFromPlan({ ...plan, pins }, { model: bench.model.path, note });
  await writeTextFile(join(folder, resultFiles.engineOverrides), formatOverrides(overrides));
  await applyPlan(await bench.subject(), plan, join(folder, resultFiles.engineMixed), {
    progress: bench.progress,
    signal: bench.signal,
    io: bench.halfFace ? "convert" : "keep",
  });
}
