import { existsSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  isSiteSensitivity,
  type JournalContent,
  type JournalHead,
  linesOfJournal,
  type MergedJournal,
  mergeJournals,
  readJournalFile,
  writeJournal,
} from "@halfscope/analysis";
import { type ResultDocument, type SiteSensitivity, UsageError } from "@halfscope/core";
import { engineProfile, rulesOf } from "@halfscope/precision";
import { candidateOptions } from "./describe.js";
import { loadResult, openResultsFolder, resultFiles, saveResult } from "./results-folder.js";
import { basePinsOf, withSweep } from "./sweep-part.js";
import { sweepStep } from "./sweep-step.js";
import { sweptInputs } from "./swept-inputs.js";
import { Workbench, type WorkbenchOptions } from "./workbench.js";

export interface MergeOptions extends Pick<WorkbenchOptions, "threads" | "progress" | "signal"> {
  /** Folder for the merged sweep; it may be one of those merged. */
  out: string;
  /** The model's file, when it is no longer where the sweep found it. */
  model?: string | undefined;
  allowMixed?: boolean | undefined;
  mixedTolerance?: number | undefined;
}

export interface Merged {
  folder: string;
  /** Results in the merged journal, and of how many; undefined where no journal lists its candidates. */
  swept: number;
  candidates: number | undefined;
  /** Keys of candidates that nobody has measured. */
  missing: readonly string[];
  duplicates: number;
  /** Shards that the folders name, `2/3`. */
  shards: readonly string[];
  /** Judged by a metric of the user's own. */
  metric: boolean;
  /** The whole result, when nothing is missing and the model is there. */
  result: ResultDocument | undefined;
  modelPath: string;
}

/**
 * Parts of one sweep as one results folder. When nothing is missing, the result is finished as a sweep's is, from its journal: nothing is measured again but the candidate
 * with all sites, for which the model is opened.
 * Throws ERR_JOURNAL where the parts do not belong together or contradict each other, ERR_RESULT, ERR_FILE_NOT_FOUND.
 */
export async function mergeSweeps(folders: readonly string[], o: MergeOptions): Promise<Merged> {
  const same = new Map(folders.map((f) => [realOf(f), f]));
  const journals = [...same.values()].map(requireJournal);
  const saved: ResultDocument[] = [];
  for (const folder of same.values()) if (existsSync(join(folder, resultFiles.result))) saved.push(await loadResult(folder));
  const base = saved.find((r) => basePinsOf(r) !== undefined);
  if (base === undefined)
    throw new UsageError("ERR_RESULT", `None of ${folders.join(", ")} holds the ${resultFiles.result} of a sweep.`, {
      hint: "Let one of the sweeps go on, at least until its comparison is done.",
    });
  const journal = mergeJournals<SiteSensitivity>(journals, { allowMixed: o.allowMixed, tolerance: o.mixedTolerance });
  requireSameModel(saved, journal);
  requireTodaysRules(base, journal.head);
  await openResultsFolder(o.out);
  const path = join(o.out, resultFiles.journal);
  if (existsSync(path) && !same.has(realOf(o.out)))
    throw new UsageError("ERR_JOURNAL", `${path} exists and is none of those to merge.`, {
      hint: `Name ${o.out} among the folders too, or choose another with -o.`,
    });
  const modelPath = o.model ?? base.model.path;
  const missing = journal.missing ?? [];
  const merged: Merged = {
    folder: o.out,
    swept: journal.groups === undefined ? journal.entries.size : journal.groups.length - missing.length,
    candidates: journal.groups?.length,
    missing,
    duplicates: journal.duplicates,
    shards: [...new Set(saved.flatMap((r) => r.part?.shard ?? []))],
    metric: journal.head.metric !== undefined,
    result: undefined,
    modelPath,
  };
  const basePins = basePinsOf(base) ?? [];
  const part = withoutSweep(base, { basePins, left: missing.length });
  writeJournal(path, linesOfJournal(journal));
  await saveResult(o.out, part);
  // What a metric's file would do is not for a results folder to say: the sweep itself is given it again.
  if (journal.missing === undefined || missing.length > 0 || !existsSync(modelPath) || journal.head.metric !== undefined) return merged;
  const result = await finish(part, journal.head, modelPath, o);
  await saveResult(o.out, result);
  return { ...merged, result };
}

async function finish(part: ResultDocument, head: JournalHead, modelPath: string, o: MergeOptions): Promise<ResultDocument> {
  const basePins = basePinsOf(part) ?? [];
  const { threads, progress, signal } = o;
  using bench = await Workbench.open(modelPath, {
    ...sweptInputs(part, {}),
    ...candidateOptions(part),
    ...(head.keepPadding === true && { keepPadding: true }),
    ...(threads !== undefined && { threads }),
    ...(progress && { progress }),
    ...(signal && { signal }),
  });
  if (bench.model.digest !== part.model.digest)
    throw new UsageError(
      "ERR_RESULT",
      `${modelPath} is not the model that was swept: its digest is ${bench.model.digest.slice(0, 12)}, the parts' ${part.model.digest.slice(0, 12)}.`,
      { hint: "Name the swept file with --model." },
    );
  const sweepSamples = 1 + (Array.isArray(head.moreFeedDigests) ? head.moreFeedDigests.length : 0);
  return withSweep(part, await sweepStep(bench, basePins, { folder: o.out, sweepSamples }), basePins);
}

/** What recommendations and verdicts were made from is not whole any more. */
function withoutSweep(result: ResultDocument, part: NonNullable<ResultDocument["part"]>): ResultDocument {
  const { sensitivity: _, recommendation: __, overrides: ___, verdict: ____, choices: _____, fixes: ______, ...measured } = result;
  return { ...measured, part };
}

function requireJournal(folder: string): JournalContent<SiteSensitivity> {
  const path = join(folder, resultFiles.journal);
  const found = readJournalFile(path, isSiteSensitivity);
  if (found !== undefined) return found;
  throw new UsageError("ERR_FILE_NOT_FOUND", `${path} does not exist.`, { hint: "Name the folders that `halfscope sweep --shard` wrote." });
}

/** The sweep is finished here, with the rules that this version knows. */
function requireTodaysRules(base: ResultDocument, head: JournalHead): void {
  const { like, profile } = candidateOptions(base);
  const known = like === undefined ? [] : rulesOf(engineProfile(like, profile));
  if (known.join() === (head.rules ?? []).join()) return;
  throw new UsageError("ERR_JOURNAL", `The parts were swept by another halfscope, which knew other rules of ${head.like} than this one.`, {
    hint: "Merge them with the version that swept them, or sweep them again with this one.",
    context: { there: head.rules ?? [], here: known },
  });
}

/** Results lie beside journals and may have been exchanged. */
function requireSameModel(saved: readonly ResultDocument[], { head }: MergedJournal<unknown>): void {
  const other = saved.find((r) => r.model.digest !== head.modelDigest);
  if (other === undefined) return;
  throw new UsageError("ERR_RESULT", `A ${resultFiles.result} is of another model (${other.model.path}) than the journals.`, {
    hint: "Leave its folder out, or sweep that part again.",
  });
}

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}
