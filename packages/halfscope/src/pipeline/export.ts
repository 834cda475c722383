import { chmod, mkdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { encodeJson, type Progress, type TensorValue, UsageError } from "@halfscope/core";
import { describeFeeds, OutputEngine, parseProfile, tensorsOf, writeNpy, writeRaw } from "@halfscope/engine";
import { writeRope } from "@halfscope/onnx";
import { switchesFromPlan } from "@halfscope/precision";
import {
  type ExportedFormat,
  type ExportSubject,
  exportAutocast,
  exportModelExplorer,
  exportNetron,
  exportOrt,
  exportTrtexec,
  type LostPin,
  type PolygraphyIteration,
  polygraphyInputs,
  polygraphyResults,
  type TrtexecProfile,
  type TrtexecVersion,
} from "@halfscope/report";
import { candidateOptions } from "./describe.js";
import { openResult } from "./export-subject.js";
import { openResultsFolder, resultFiles } from "./results-folder.js";
import { Workbench } from "./workbench.js";

export const exportFormats = [
  "ort",
  "autocast",
  "polygraphy",
  "trtexec-8.6",
  "trtexec-10",
  "trtexec-11",
  "netron",
  "model-explorer",
] as const;
export type ExportFormat = (typeof exportFormats)[number];

export interface ExportOptions {
  formats: readonly ExportFormat[];
  /** Folder to write to, a folder per format; `exports` in the results folder by default. */
  out?: string | undefined;
  /** Where the model lies now. */
  model?: string | undefined;
  /** The feeds that were measured, as `--feed` names them. Not needed where they were made up: those are made again. */
  feeds?: readonly string[] | undefined;
  threads?: number | undefined;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

export interface Exported {
  format: ExportFormat;
  /** Files, with the folder's path. */
  files: readonly string[];
  /** Pinned nodes that the tool is told of, and those it cannot be told of; undefined for formats that carry no plan. */
  addressed?: number;
  lost: readonly LostPin[];
  notes: readonly string[];
}

/** Formats that say nothing without a plan. */
const needsPlan: ReadonlySet<ExportFormat> = new Set(["ort", "autocast", "trtexec-8.6", "trtexec-10", "trtexec-11"]);

/** Writes a results folder's plan and measurements in other tools' formats. Nodes are named as in the file. */
export async function exportPlan(folder: string, o: ExportOptions): Promise<Exported[]> {
  const { subject, planned, notes } = await openResult(folder, o.model);
  const lacking = o.formats.find((f) => needsPlan.has(f));
  if (!planned && lacking !== undefined)
    throw new UsageError("ERR_RESULT", `${folder} holds no plan, which ${lacking} is about.`, {
      hint: `Run \`halfscope recommend ${folder}\`, or \`halfscope debug\`, first.`,
    });
  const out = o.out ?? join(folder, "exports");
  await openResultsFolder(out);
  let opened: { bench: Workbench; notes: readonly string[] } | undefined;
  const bench = async () => {
    opened ??= await openBench(subject, o);
    return opened;
  };
  try {
    const done: Exported[] = [];
    for (const format of o.formats) {
      const made = await exportAs(format, folder, subject, bench, o);
      const files: string[] = [];
      for (const file of made.files) {
        const path = join(out, format, file.path);
        await mkdir(dirname(path), { recursive: true });
        await writeRope(path, typeof file.content === "string" ? [new TextEncoder().encode(file.content)] : file.content, {
          signal: o.signal,
        });
        if (file.executable === true) await chmod(path, 0o755);
        files.push(path);
      }
      const all = needsPlan.has(format) ? [...notes, ...made.notes] : made.notes;
      done.push({ format, files, ...(made.addressed !== undefined && { addressed: made.addressed }), lost: made.lost, notes: all });
    }
    return done;
  } finally {
    opened?.bench[Symbol.dispose]();
  }
}

type OpenBench = () => Promise<{ bench: Workbench; notes: readonly string[] }>;

async function exportAs(
  format: ExportFormat,
  folder: string,
  subject: ExportSubject,
  open: OpenBench,
  o: ExportOptions,
): Promise<ExportedFormat> {
  if (format === "ort") return exportOrt(subject);
  if (format === "autocast") return exportAutocast(subject);
  if (format === "netron") return exportNetron(subject);
  if (format === "model-explorer") return exportModelExplorer(subject);
  const { bench, notes } = await open();
  const made =
    format === "polygraphy" ? await exportPolygraphy(subject, bench, o) : await trtexecOf(subject, bench, folder, trtexecVersions[format]);
  return { ...made, notes: [...notes, ...made.notes] };
}

/** The model with the feeds that were measured: given again, or made up again as they were. */
async function openBench(subject: ExportSubject, o: ExportOptions): Promise<{ bench: Workbench; notes: readonly string[] }> {
  const { result } = subject;
  const [first = []] = result.feeds;
  const real = first.find((f) => !f.origin.startsWith("made up"));
  if (o.feeds === undefined && real !== undefined)
    throw new UsageError("ERR_OPTION", `The inputs are needed, and were not made up but came from ${real.origin}.`, {
      hint: "Give them again with --feed, as they were given to the measurement.",
    });
  const bench = await Workbench.open(subject.modelPath, {
    ...(o.feeds && { feeds: o.feeds }),
    shapes: Object.fromEntries(first.map((f) => [f.name, f.dims])),
    seed: result.options.seed,
    samples: Math.max(1, result.options.samples),
    ...candidateOptions(result),
    ...(o.threads !== undefined && { threads: o.threads }),
    progress: o.progress,
    ...(o.signal && { signal: o.signal }),
  });
  const same = encodeJson(bench.feeds.map(describeFeeds)) === encodeJson(result.feeds);
  return { bench, notes: same ? [] : ["These are not the inputs that were measured."] };
}

const trtexecVersions = { "trtexec-8.6": "8.6", "trtexec-10": "10", "trtexec-11": "11" } as const satisfies Partial<
  Record<ExportFormat, TrtexecVersion>
>;

async function trtexecOf(subject: ExportSubject, bench: Workbench, folder: string, version: TrtexecVersion): Promise<ExportedFormat> {
  const [feed] = bench.feeds;
  const notes: string[] = [];
  const mixed = resolve(folder, resultFiles.mixed);
  if (version === "11" && !(await stat(mixed).catch(() => undefined))?.isFile())
    notes.push(`${mixed} is not there: write it with \`halfscope apply\`, or name another mixed model to the script.`);
  // The mixed file of such a model takes FP16 where its restoration, which is fed here, takes FP32.
  const values = !(version === "11" && bench.halfFace);
  if (!values) notes.push("The mixed model takes FP16 inputs as its original does: values are left to trtexec.");
  const open = new Map(bench.view.graph.inputs.map((v) => [v.name, v.dims === undefined || v.dims.some((d) => d.size === undefined)]));
  const inputs = [...tensorsOf(feed)].map(([name, value]) => ({
    name,
    dims: value.dims,
    bytes: values ? writeRaw(value, name, { int64As32: version === "8.6" }) : undefined,
    dynamic: open.get(name) ?? true,
  }));
  const said = version === "11" ? { ...subject, modelPath: mixed } : subject;
  const made = exportTrtexec(said, version, inputs, profilesOf(subject, notes));
  const more = bench.feeds.length - 1;
  if (more > 0) notes.push(`Only the first of ${more + 1} samples is written: trtexec runs one.`);
  return { ...made, notes: [...made.notes, ...notes] };
}

/** Profiles that a real engine was built with, as the result keeps them. */
function profilesOf({ result }: ExportSubject, notes: string[]): TrtexecProfile[] {
  const said = result.device?.options.profiles;
  if (typeof said !== "string" || said === "") return [];
  try {
    return said.split("; ").map((text) => parseProfile(text).inputs);
  } catch (error) {
    notes.push(`The profiles of the result cannot be read (${(error as Error).message}): the engine serves the sizes of the inputs alone.`);
    return [];
  }
}

/** Inputs, and what reference and candidate of the plan give for them, sample by sample. */
async function exportPolygraphy(subject: ExportSubject, bench: Workbench, o: ExportOptions): Promise<ExportedFormat> {
  const notes = new Set<string>();
  const arrays = (tensors: ReadonlyMap<string, TensorValue>) =>
    new Map(
      [...tensors].flatMap(([name, value]) => {
        if (value.dtype !== "bfloat16" && !value.dtype.startsWith("float8")) return [[name, writeNpy(value)] as const];
        notes.add(`"${name}" is left out: NumPy has no ${value.dtype}.`);
        return [];
      }),
    );
  const reference: PolygraphyIteration[] = [];
  const candidate: PolygraphyIteration[] = [];
  const step = o.progress.step("Running reference and candidate", bench.feeds.length);
  for (const feed of bench.feeds) {
    const ready = await bench.subject(feed);
    const names = [...new Set(bench.view.graph.outputs.map((v) => v.name))];
    const fetch = names.filter((n) => !["unknown", "undefined", "string"].includes(ready.types.get(n)?.dtype ?? "unknown"));
    for (const n of names) if (!fetch.includes(n)) notes.add(`Output "${n}" is left out: it is no tensor of numbers.`);
    const run = async (engine: OutputEngine, switches?: Uint8Array): Promise<PolygraphyIteration> => {
      engine.setFeed(feed);
      const { outputs, seconds } = await engine.outputsOf({ fetch, signal: o.signal, ...(switches && { switches }) });
      return { outputs: arrays(outputs), runtime: seconds };
    };
    {
      using engine = await OutputEngine.reference(ready, { threads: bench.threads });
      reference.push(await run(engine));
    }
    using engine = await OutputEngine.candidate({ ...ready, placements: ready.roundings.placements }, { threads: bench.threads });
    candidate.push(await run(engine, switchesFromPlan(subject.plan, ready.roundings)));
    step.update(reference.length);
  }
  step.end();
  return {
    files: [
      { path: "inputs.json", content: polygraphyInputs(bench.feeds.map((f) => arrays(tensorsOf(f)))) },
      { path: "reference.json", content: polygraphyResults("halfscope-reference", reference) },
      { path: "candidate.json", content: polygraphyResults("halfscope-candidate", candidate) },
    ],
    lost: [],
    notes: [
      "Compare a run of yours with the reference: polygraphy run MODEL --onnxrt --load-inputs inputs.json --load-outputs reference.json --rtol 1e-2 --atol 1e-2",
      ...notes,
    ],
  };
}
