import { randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Subject } from "@halfscope/analysis";
import {
  bytesPerElement,
  type ErrorSummary,
  InputError,
  type Measurements,
  numberFromDtype,
  summarise,
  type TensorValue,
  UsageError,
} from "@halfscope/core";
import { type Feed, OutputEngine, tensorsOf, writeNpy } from "@halfscope/engine";
import { encodeTensor, extractedLength, extractModel, type Region, type Rope, writeRope } from "@halfscope/onnx";
import { reproduceNotes, reproduceScript } from "@halfscope/report";
import { type ExtractedOutput, faultOf, measureAlone, measureWhole } from "./extract-errors.js";
import { chooseRegion, type ExtractChoice } from "./extract-nodes.js";
import { Workbench, type WorkbenchOptions } from "./workbench.js";

export interface ExtractOptions extends ExtractChoice, WorkbenchOptions {
  /** Folder to make; must not exist, or be empty. */
  folder: string;
}

export interface Extracted {
  folder: string;
  nodes: number;
  operators: readonly string[];
  inputs: readonly { name: string; dtype: string; dims: readonly number[] }[];
  /** Sizes and indices that depend on the inputs' shapes alone, written as constants. */
  fixedByShapes: readonly string[];
  outputs: readonly ExtractedOutput[];
  /** The extract's own FP32 run gives the recorded outputs bit for bit. */
  sameReference: boolean;
  /** same: alone, every output is at least half as wrong as its layer's own roundings make it in the whole model; undefined where nothing could be measured. */
  fault: "same" | "smaller" | undefined;
  sizeBytes: number;
  notes: readonly string[];
}

/**
 * Takes a layer or what lies between tensors out of a model, as a small model with what came in and out in FP32: `model.onnx`, `model.fp16.onnx`, `test_data_set_0/`,
 * `npy/`, `raw/`, `reproduce.py` and `reproduce.md`. It then measures whether the extract shows the fault alone. The folder appears when it is whole.
 */
export async function extractRegion(path: string, o: ExtractOptions): Promise<Extracted> {
  const folder = resolve(o.folder);
  await requireEmpty(folder);
  using bench = await Workbench.open(path, { ...o, ...(!o.feeds?.length && { samples: 1 }) });
  const region = chooseRegion(bench.view, bench.layers, o);
  const subject = await bench.subject();
  const values = await record(bench, subject, region);
  const temporary = await makeBeside(folder);
  try {
    const extracted = await writeExtract(bench, subject, region, values, temporary, o);
    await rmdir(folder).catch(() => undefined);
    await rename(temporary, folder);
    return { ...extracted, folder };
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
}

/** Every input and output of the region in one reference run. */
async function record(bench: Workbench, subject: Subject, region: Region): Promise<ReadonlyMap<string, TensorValue>> {
  const [feed] = bench.feeds;
  const wanted = [...new Set([...region.inputs, ...region.outputs])].filter((t) => !feed.tensors.has(t));
  for (const t of wanted) {
    const dtype = subject.types.get(t)?.dtype ?? "unknown";
    if (bytesPerElement(dtype) === undefined)
      throw new InputError(
        "ERR_MODEL_UNSUPPORTED",
        `"${t}" passes the border and ${dtype === "unknown" ? "is no tensor" : `holds ${dtype} elements`}, which cannot be recorded.`,
        {
          hint: "Take more nodes along with --with-cause, or choose other tensors.",
        },
      );
  }
  const known = new Set(subject.view.graph.outputs.map((v) => v.name));
  const step = bench.progress.step("Running the reference");
  using engine = await OutputEngine.reference(
    subject,
    { threads: bench.threads },
    wanted.filter((t) => !known.has(t)),
  );
  engine.setFeed(feed);
  const { outputs } = await engine.outputsOf({ fetch: wanted, signal: bench.signal });
  step.end();
  return new Map([...tensorsOf(feed), ...outputs]);
}

async function writeExtract(
  bench: Workbench,
  subject: Subject,
  region: Region,
  values: ReadonlyMap<string, TensorValue>,
  folder: string,
  o: ExtractOptions,
): Promise<Omit<Extracted, "folder">> {
  const notes: string[] = bench.half === undefined ? [] : ["The model is in FP16 already: this is a part of its FP32 restoration."];
  const recorded = (t: string): TensorValue => values.get(t) as TensorValue;
  const isIndex = (t: string) => ["int64", "int32", "bool"].includes(recorded(t).dtype) && recorded(t).data.length <= 4096;
  const bake = new Set(region.fixedByShapes.filter(isIndex));
  const fed = region.inputs.filter((t) => !bake.has(t));
  const externalName = "model.onnx.data";
  const outputs = new Map(region.outputs.map((t) => [t, recorded(t)]));
  const made = extractModel(bench.model, region, { values, bake, outputs, externalName });
  const put = async (name: string, rope: Rope) => {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeRope(join(folder, name), rope, { signal: bench.signal });
  };
  await put("model.onnx", made.rope);
  if (made.external !== undefined) await put(externalName, made.external);
  const files = [
    ...fed.map((name, i) => ({ kind: "input" as const, name, stem: `input_${i}` })),
    ...region.outputs.map((name, i) => ({ kind: "output" as const, name, stem: `output_${i}` })),
  ].map((f) => ({ ...f, dtype: recorded(f.name).dtype, dims: recorded(f.name).dims }));
  for (const { name, stem, kind, dtype } of files) {
    const value = recorded(name);
    await put(`test_data_set_0/${stem}.pb`, [encodeTensor(name, numberFromDtype(dtype), value.dims, value.data)]);
    if (kind === "input") await put(`raw/${stem}.bin`, [value.data]);
    if (dtype === "bfloat16" || dtype.startsWith("float8")) notes.push(`NumPy has no ${dtype}: there is no ${stem}.npy.`);
    else await put(`npy/${stem}.npy`, [writeNpy(value)]);
  }

  const feed: Feed = { tensors: new Map(fed.map((t) => [t, recorded(t)])), origins: new Map() };
  const alone = await measureAlone(join(folder, "model.onnx"), feed, region, values, bench, notes);
  const whole = await measureWhole(bench, subject, region, notes);
  const errorIn = (m: Measurements | undefined, tensor: string): ErrorSummary | undefined => {
    const found = m?.tensors.find((t) => t.tensor === tensor);
    return found && summarise(tensor, found.stats);
  };
  const errors = region.outputs.map((tensor) => ({
    tensor,
    isolated: errorIn(whole.isolated, tensor),
    accumulated: errorIn(whole.accumulated, tensor),
    alone: errorIn(alone.measured, tensor),
  }));
  const extracted: Omit<Extracted, "folder"> = {
    nodes: region.nodes.length,
    operators: region.nodes.map((n) => n.opType),
    inputs: fed.map((name) => ({ name, dtype: recorded(name).dtype, dims: recorded(name).dims })),
    fixedByShapes: [...bake],
    outputs: errors,
    sameReference: alone.sameReference,
    fault: faultOf(errors),
    sizeBytes: extractedLength(made),
    notes,
  };
  const about = {
    ...extracted,
    model: basename(bench.model.path),
    what: o.layer ?? `${(o.from ?? []).join(", ") || "the inputs"} to ${(o.to ?? []).join(", ")}`,
    files,
    half: alone.half,
  };
  await put("reproduce.py", [new TextEncoder().encode(reproduceScript)]);
  await put("reproduce.md", [new TextEncoder().encode(reproduceNotes(about))]);
  return extracted;
}

async function requireEmpty(folder: string): Promise<void> {
  const entries = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return [];
    throw new UsageError("ERR_OUTPUT_NOT_WRITABLE", `${folder} cannot be a folder for the extract: ${cause.message}.`, {
      hint: "Name a new folder with -o.",
      cause,
    });
  });
  if (entries.length > 0)
    throw new UsageError(
      "ERR_OUTPUT_NOT_WRITABLE",
      `${folder} is not empty: it holds ${entries[0]}${entries.length > 1 ? " and more" : ""}.`,
      {
        hint: "Name a new folder with -o: recorded data of another extract must not be mixed in.",
      },
    );
}

/** A folder under a temporary name where the extract will lie: it is renamed when it is whole. */
async function makeBeside(folder: string): Promise<string> {
  try {
    await mkdir(dirname(folder), { recursive: true });
    const path = join(dirname(folder), `.${randomBytes(6).toString("hex")}.partial`);
    await mkdir(path);
    return path;
  } catch (cause) {
    throw new UsageError("ERR_OUTPUT_NOT_WRITABLE", `${folder} cannot be written: ${(cause as Error).message}.`, {
      hint: "Choose a folder that you may write to with -o.",
      cause,
    });
  }
}
