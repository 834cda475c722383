import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { OutputJudge } from "@halfscope/analysis";
import type { Typing } from "@halfscope/core";
import {
  type DeviceBackend,
  type DeviceBuildOptions,
  type DeviceBuildRequest,
  type DeviceEngine,
  feedSignature,
  floatOutputs,
  type OptimizationProfile,
  openBackend,
  profileInputs,
  profileText,
  type SettledProfiles,
  selectProfile,
  settleProfiles,
  shapeTensorsOf,
} from "@halfscope/engine";
import { version } from "../../version.js";
import { digestOfFeeds } from "../describe.js";
import { resultFiles } from "../results-folder.js";
import type { Workbench } from "../workbench.js";
import { DeviceFiles } from "./device-files.js";
import { feedFor, type Outputs } from "./device-values.js";
import { EngineJournal } from "./engine-journal.js";
import { type DeviceOptions, defaultEngineTrials, hasProfiles, settleTyping } from "./options.js";
import { PlanKeeper } from "./save-plan.js";

/** An opened library and what was asked of it: made before anything is measured, so that what is missing shows at once. */
export interface OpenedDevice extends AsyncDisposable {
  readonly backend: DeviceBackend;
  readonly options: DeviceOptions;
  readonly typing: Typing;
}

/** Throws ERR_BACKEND_UNAVAILABLE for what is missing, ERR_OPTION for what the library cannot do. */
export async function openDevice(o: DeviceOptions): Promise<OpenedDevice> {
  const backend = await (o.open ?? openBackend)(o.engine);
  try {
    const typing = settleTyping(o, backend.environment);
    return { backend, options: o, typing, [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose]() };
  } catch (error) {
    await backend[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * The profiles that a model's engines are built with, complete and serving every sample; asked for before the library is opened, so that a slip shows at once and on any
 * machine. None where the engine takes any size. Throws ERR_PROFILE.
 */
export function profilesFor({ view, feeds }: Workbench, options: DeviceOptions): SettledProfiles {
  if (!hasProfiles(options.engine)) return { profiles: [], notes: [], warnings: [] };
  const inputs = profileInputs(feedSignature(view), shapeTensorsOf(view));
  const settled = settleProfiles(options.profiles ?? [], inputs, feeds);
  for (const feed of feeds) selectProfile(settled.profiles, inputs, feed);
  return settled;
}

/** Outputs of the reference engine on each sample, and what judges others by them. */
export interface DeviceReference {
  outputs: readonly Outputs[];
  judges: readonly OutputJudge[];
}

/** One model on one engine: files, profiles and journal that the steps share. */
export class DeviceSession implements AsyncDisposable {
  readonly files: DeviceFiles;
  readonly journal: EngineJournal;
  /** For the result: what a person should know. */
  readonly warnings: string[] = [];
  /** Seconds of builds so far: what the next one is estimated by. */
  readonly buildSeconds: number[] = [];
  private known: DeviceReference | undefined;

  private constructor(
    readonly bench: Workbench,
    readonly device: OpenedDevice,
    readonly tolerance: number,
    /** Float outputs of the model: what is judged. */
    readonly outputs: readonly string[],
    readonly profiles: readonly OptimizationProfile[],
    readonly build: DeviceBuildOptions,
    /** A folder that goes away with the session. */
    readonly scratch: string,
    journal: string | undefined,
    fresh: boolean,
    /** Of --save-plan. */
    readonly plan: PlanKeeper | undefined,
  ) {
    this.files = new DeviceFiles(bench, scratch);
    this.journal = new EngineJournal(journal, { fresh });
  }

  static async open(
    bench: Workbench,
    device: OpenedDevice,
    o: { folder: string; tolerance: number; fresh?: boolean | undefined; journal?: boolean },
  ): Promise<DeviceSession> {
    const settled = profilesFor(bench, device.options);
    const scratch = join(o.folder, ".engine");
    // Of a run that was killed.
    await rm(scratch, { recursive: true, force: true });
    await mkdir(scratch, { recursive: true });
    try {
      const build: DeviceBuildOptions = {
        timingCache: join(o.folder, resultFiles.timingCache),
        threads: bench.threads,
        ...device.options.build,
        tf32: false,
      };
      const { types } = await bench.subject();
      const { savePlan } = device.options;
      const session = new DeviceSession(
        bench,
        device,
        o.tolerance,
        floatOutputs(bench.view, types),
        settled.profiles,
        build,
        scratch,
        o.journal === false ? undefined : join(o.folder, resultFiles.engineJournal),
        o.fresh ?? false,
        savePlan === undefined ? undefined : await PlanKeeper.open(savePlan, scratch),
      );
      for (const note of settled.notes) bench.progress.note(note);
      session.warn(...settled.warnings);
      return session;
    } catch (error) {
      // There is no session yet that takes it away.
      await rm(scratch, { recursive: true, force: true });
      throw error;
    }
  }

  get environment() {
    return this.device.backend.environment;
  }
  get typing(): Typing {
    return this.device.typing;
  }
  get options(): DeviceOptions {
    return this.device.options;
  }

  warn(...texts: readonly string[]): void {
    for (const text of texts) {
      if (this.warnings.includes(text)) continue;
      this.warnings.push(text);
      this.bench.progress.note(`Warning: ${text}`);
    }
  }

  /** Builds one engine; it is the caller's to dispose of. */
  async engine(request: Omit<DeviceBuildRequest, "profiles" | "options">): Promise<DeviceEngine> {
    const { bench } = this;
    const engine = await this.device.backend.build(
      { ...request, profiles: this.profiles, options: this.build },
      { signal: bench.signal, progress: bench.progress },
    );
    this.buildSeconds.push(engine.buildSeconds);
    return engine;
  }

  /** Final outputs of an engine on each sample. */
  async outputsOf(engine: DeviceEngine): Promise<Outputs[]> {
    const all: Outputs[] = [];
    for (const feed of this.bench.feeds)
      all.push(await engine.run(await feedFor(engine, feed), { fetch: this.outputs, signal: this.bench.signal }));
    return all;
  }

  /** Keeps the reference's outputs: everything later is compared with them. */
  async setReference(outputs: readonly Outputs[]): Promise<void> {
    const judges: OutputJudge[] = [];
    for (const [i, feed] of this.bench.feeds.entries()) judges.push(await this.bench.judgeAgainst(outputs[i] ?? new Map(), feed));
    this.known = { outputs, judges };
  }

  /** Outputs of the reference engine; it is built again where a journal spared it so far. */
  async reference(): Promise<DeviceReference> {
    if (this.known === undefined) {
      await using engine = await this.engine({ label: "FP32", path: await this.files.reference(), precision: { kind: "full" } });
      await this.setReference(await this.outputsOf(engine));
    }
    return this.known as DeviceReference;
  }

  /** Everything but the engine itself that figures hang on, for the journal. */
  get identity(): Readonly<Record<string, unknown>> {
    const { backend, version: library, gpu = "", libraryPath = "" } = this.environment;
    const { bench } = this;
    const { timingCache: _, ...build } = this.build;
    return {
      ...{ backend, library, gpu, libraryPath, build },
      halfscope: version,
      model: bench.model.digest,
      feeds: digestOfFeeds(bench.feeds),
      profiles: this.profiles.map(profileText),
      half: bench.precision,
      metric: bench.options.metric?.digest ?? "",
      keepPadding: bench.options.keepPadding ?? false,
    };
  }

  /** What was asked for, for the result. */
  get asked(): Readonly<Record<string, string | number | boolean>> {
    const { options: o, build } = this;
    return {
      typing: this.typing,
      observe: o.observe ?? "outputs",
      trials: o.trials ?? defaultEngineTrials,
      guides: o.guides ?? true,
      tf32: false,
      ...(this.profiles.length > 0 && { profiles: this.profiles.map(profileText).join("; ") }),
      ...(build.workspaceBytes !== undefined && { workspaceBytes: build.workspaceBytes }),
      ...build.memoryPools,
      ...(build.optimizationLevel !== undefined && { builderLevel: build.optimizationLevel }),
      ...(build.strictNans && { strictNans: true }),
      ...(build.providerOptions && { providerOptions: optionsText(build.providerOptions) }),
      samples: this.bench.feeds.length,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.scratch, { recursive: true, force: true });
  }
}

const optionsText = (o: Readonly<Record<string, string>>): string =>
  Object.entries(o)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");

/** 0 for none. */
export const meanSeconds = (seconds: readonly number[]): number =>
  seconds.length === 0 ? 0 : seconds.reduce((a, b) => a + b, 0) / seconds.length;
