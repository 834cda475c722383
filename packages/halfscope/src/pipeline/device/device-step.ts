import { rm } from "node:fs/promises";
import { join } from "node:path";
import { agreementOf, depthsOf, latencyFront, messageHazards } from "@halfscope/analysis";
import type { Agreement, DeviceResult, EngineMessage, EngineRecord, FixReport, Overrides, Sensitivity, Verdict } from "@halfscope/core";
import { formatOverrides, overridesFromPlan } from "@halfscope/precision";
import { applyPlan } from "../apply.js";
import type { Compared } from "../compare-step.js";
import { resultFiles, writeTextFile } from "../results-folder.js";
import type { Workbench } from "../workbench.js";
import { buildNote, plannedBuilds } from "./build-estimate.js";
import { planOf } from "./device-files.js";
import { failureOf } from "./failure.js";
import { fixesStep } from "./fixes-step.js";
import { guidesStep } from "./guides-step.js";
import { markedStep } from "./marked-step.js";
import { defaultEngineTrials, engineTitle, notRealHalf } from "./options.js";
import { Predictions, predictTensors, verdictBeside } from "./prediction.js";
import { recommendedSpec, recommendedStep } from "./recommended-step.js";
import { referenceStep, referenceTitle } from "./reference-step.js";
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
 * are measurements like errors here: two runs differ in them. An engine that cannot be built is a record of that, and the rest goes on; without the reference or the
 * recommended engine nothing does.
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

  /** What ends the steps stands in the result all the same. */
  const needed = async (about: Pick<EngineRecord, "role" | "title">, pins: readonly string[], work: () => Promise<EngineRecord>) => {
    const start = performance.now();
    try {
      engines.push(await work());
    } catch (error) {
      const failure = failureOf(error);
      if (failure !== undefined) {
        const typing = about.role === "reference" ? "full" : s.typing;
        const buildSeconds = (performance.now() - start) / 1000;
        engines.push({ role: about.role, title: about.title, typing, pins, marked: 0, buildSeconds, messages: [], failed: failure.text });
        await save();
      }
      throw error;
    }
    await save();
    return engines.at(-1) as EngineRecord;
  };

  const pins = o.overrides.pins.map((p) => p.layer);
  const prediction = await predictTensors(bench, o.compared);
  bench.progress.note(buildNote(await plannedBuilds(s, pins, prediction), s.environment.backend, s.build.timingCache));
  await timed("engine reference", () => needed({ role: "reference", title: referenceTitle }, [], () => referenceStep(s)));

  const marked = await timed("engine all half", () => markedStep(s, prediction));
  engines.push(...marked.engines);
  if (marked.tensors.length > 0) seconds["engine marked run"] = marked.seconds;
  await save({
    ...(marked.tensors.length > 0 && { tensors: marked.tensors }),
    ...(marked.notObserved.length > 0 && { notObserved: marked.notObserved }),
    ...(marked.marking.length > 0 && { marking: marked.marking }),
  });
  const [allHalf] = marked.engines as [EngineRecord, ...EngineRecord[]];

  const wanted = recommendedSpec(pins, o.mixed);
  const recommended = await timed("engine recommended", () => needed(wanted, pins, () => recommendedStep(s, wanted)));

  const predictions = new Predictions(bench, o.tolerance);
  const verdicts: Agreement["verdicts"][number][] = [];
  const hold = (record: EngineRecord, predicted: Pick<Verdict, "outcome" | "error">) => {
    if (record.failed === undefined) verdicts.push(verdictBeside(record, predicted));
  };
  hold(allHalf, o.verdictAllHalf);
  // Without pins it is the same engine, about which nobody is right twice.
  if (pins.length > 0) hold(recommended, o.verdict);
  const depths = depthsOf(bench.view);
  const saveAgreement = () => save(real ? { agreement: agreementOf(verdicts, marked.tensors, depths) } : {});
  await saveAgreement();

  if (s.options.guides ?? true) {
    const guides = await timed("engine guides", () => guidesStep(s));
    if (guides !== undefined) {
      engines.push(guides);
      if (guides.failed === undefined) hold(guides, await predictions.of(guides.pins));
      await saveAgreement();
    }
  }

  if (!real) {
    await s.plan?.settle(s, wanted, undefined);
    return result;
  }
  const most = s.options.trials ?? defaultEngineTrials;
  const fixed = most > 0 ? await timed("engine fixes", () => fixesStep(s, o.compared, o.fixes)) : undefined;
  if (fixed !== undefined) {
    engines.push(fixed.record);
    hold(fixed.record, fixed.predicted);
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
        if (last !== undefined && last.failed === undefined) hold(last, await predictions.of(last.pins));
        await save({ trials, ...(refined && { refined }), agreement: agreementOf(verdicts, marked.tensors, depths) });
      },
    ),
  );
  await save({ trials: found.trials, ...(found.refined && { refined: found.refined }) });
  if (found.refined !== undefined) await writeRefined(bench, found.refined, o);
  await s.plan?.settle(s, wanted, found.refined);
  await save();
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
