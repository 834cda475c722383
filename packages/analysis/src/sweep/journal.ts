import { randomBytes } from "node:crypto";
import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync, renameSync, rmSync, truncateSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { encodeJson, type HalfType, InternalError, UsageError } from "@halfscope/core";
import { isSameValue, readJournalFile } from "./journal-file.js";

/** What changes the last bits of a sweep's numbers without being part of the question. */
export interface JournalEnvironment {
  halfscope: string;
  onnxruntime: string;
  instructionSet: string;
}

/** What a sweep's numbers depend on. Two journals with equal heads hold the same experiment. */
export interface JournalHead extends JournalEnvironment {
  schema: "halfscope/journal/1";
  modelDigest: string;
  feedDigest: string;
  like: string;
  /** What the engine fuses and computes wrongly, as this version knows it (`rulesOf`); absent where there is nothing. */
  rules?: readonly string[];
  constants: string;
  /** What candidates compute in; FP16 when absent, as in journals of earlier versions. */
  precision?: HalfType;
  basePins: readonly string[];
  /** Of the samples beyond the first, where several are swept. */
  moreFeedDigests?: readonly string[];
  /** Digest of the user's metric. */
  metric?: string;
  /** Padded positions are judged too. */
  keepPadding?: boolean;
  /** Version of the projections of signed errors (`projectionVersion`). */
  projection?: number;
  /** Merged from several environments, which was asked for; `tolerance` is the relative difference up to which their results counted as equal. */
  mixed?: MixedEnvironments;
}

export interface MixedEnvironments {
  environments: readonly JournalEnvironment[];
  tolerance: number;
}

/** Fields of a head that say where, not what. */
export const environmentFields = ["halfscope", "onnxruntime", "instructionSet"] as const satisfies readonly (keyof JournalEnvironment)[];

/**
 * An append-only file of results by key: a killed sweep continues where it stopped and gives the same answer.
 *
 * A line is one write to a file opened for appending, so a kill loses at most the line under way. Lines are not forced to the disk one by one: what a crash of the
 * machine loses or tears is measured again, and waiting for the disk after every candidate would cost more. `end` forces the whole file.
 */
export class Journal<T> {
  private readonly entries = new Map<string, T>();
  private groups: readonly string[] | undefined;
  /** Lines that a crash of the machine tore; their candidates are measured again. */
  readonly torn: number = 0;
  /** What was mixed in it. */
  readonly mixed: MixedEnvironments | undefined;

  /**
   * Opens or starts a journal. A last line that was cut off is dropped. `fresh` starts anew.
   * Throws ERR_JOURNAL when the file belongs to another experiment or is damaged, ERR_OUTPUT_NOT_WRITABLE.
   */
  constructor(
    private readonly path: string | undefined,
    private readonly head: JournalHead,
    isEntry: (value: unknown) => value is T,
    options: { fresh?: boolean } = {},
  ) {
    if (path === undefined) return;
    const found = options.fresh ? undefined : readJournalFile(path, isEntry);
    if (found?.head === undefined) {
      writeJournal(path, [head]);
      return;
    }
    this.mixed = mixedIn(found.head);
    this.requireSameHead(found.head);
    this.groups = found.groups;
    this.torn = found.torn;
    for (const [key, result] of found.entries) this.entries.set(key, result);
    cutTo(path, found.wholeBytes);
    if (found.open) this.append("\n");
  }

  get size(): number {
    return this.entries.size;
  }
  get(key: string): T | undefined {
    return this.entries.get(key);
  }

  /** Says which candidates the whole sweep has, in graph order: so that a merge of parts knows what is missing. */
  expect(keys: readonly string[]): void {
    if (this.groups !== undefined && isSameValue(this.groups, keys)) return;
    this.groups = keys;
    this.append(`${encodeJson({ groups: keys })}\n`);
  }

  /** Written at once, a line per result. A key has one result. */
  add(key: string, result: T): void {
    const known = this.entries.get(key);
    if (known !== undefined && !isSameValue(known, result)) throw new InternalError(`The journal has another result for "${key}".`);
    if (known !== undefined) return;
    this.append(`${encodeJson({ key, result })}\n`);
    this.entries.set(key, result);
  }

  /** Waits until the disk has it. */
  end(): void {
    if (this.path === undefined) return;
    withFile(this.path, "r+", fsyncSync);
  }

  private append(text: string): void {
    const { path } = this;
    if (path === undefined) return;
    // Not "a": that would make a file without a head where somebody has removed it.
    withFile(path, constants.O_WRONLY | constants.O_APPEND, (file) => {
      const { size } = fstatSync(file);
      try {
        writeWhole(file, Buffer.from(text));
      } catch (error) {
        ftruncateSync(file, size); // a full disk took a part of the line
        throw error;
      }
    });
  }

  private requireSameHead(found: Readonly<Record<string, unknown>>): void {
    const known: Readonly<Record<string, unknown>> = { precision: "float16", ...found };
    const wanted: JournalHead = { precision: "float16", ...this.head };
    const places = this.mixed?.environments ?? [];
    const here = environmentOf(wanted);
    const isKnownPlace = places.some((e) => isSameValue(environmentOf(e), here));
    const different = Object.entries(wanted)
      .filter(([k, v]) => !isSameValue(known[k] ?? null, v))
      .map(([k]) => k)
      .filter((k) => !(isKnownPlace && environmentFields.includes(k as never)));
    // A field that this sweep would not have asked for either.
    different.push(...Object.keys(known).filter((k) => k !== "mixed" && !(k in wanted)));
    if (different.length === 0) return;
    const names = different.join(", ");
    const elsewhere = different.every((k) => environmentFields.includes(k as never));
    throw new UsageError(
      "ERR_JOURNAL",
      elsewhere
        ? `${this.path} was swept elsewhere: ${names} differ (there ${environmentInWords(known)}, here ${environmentInWords(here)}).`
        : `${this.path} belongs to another sweep: ${names} differ.${names === "rules" ? ` ${otherRules}` : ""}`,
      {
        hint: elsewhere
          ? "Use another output folder and `halfscope merge --allow-mixed`, or start anew with --fresh."
          : "Use another output folder, or start anew with --fresh.",
        context: { differ: names },
      },
    );
  }
}

export const environmentOf = (head: object): Readonly<Record<string, unknown>> =>
  Object.fromEntries(environmentFields.map((k) => [k, (head as Record<string, unknown>)[k] ?? null]));

/** What a person is told where only `rules` differ. */
export const otherRules = "It was swept by a halfscope that knew other rules of this engine.";

/** `halfscope 0.1.0, ONNX Runtime 1.30.0, avx2`. */
export function environmentInWords(e: object): string {
  const { halfscope, onnxruntime, instructionSet } = e as Record<string, unknown>;
  return `halfscope ${halfscope ?? "of an earlier version"}, ONNX Runtime ${onnxruntime ?? "unknown"}, ${instructionSet ?? "unknown instructions"}`;
}

/** What a head says of mixing; undefined when nothing, or nothing that can be. */
export function mixedIn(head: Readonly<Record<string, unknown>>): MixedEnvironments | undefined {
  const { environments, tolerance } = (head.mixed ?? {}) as Partial<Record<keyof MixedEnvironments, unknown>>;
  if (!Array.isArray(environments) || typeof tolerance !== "number" || !(tolerance >= 0)) return undefined;
  const fits = environments.every((e) => typeof e === "object" && e !== null && environmentFields.every((k) => typeof e[k] === "string"));
  return fits ? { environments: environments as JournalEnvironment[], tolerance } : undefined;
}

/** Writes a whole journal in one step: a reader sees the old one or the new one. Throws ERR_OUTPUT_NOT_WRITABLE. */
export function writeJournal(path: string, lines: readonly unknown[]): void {
  const temporary = join(dirname(path), `.${randomBytes(6).toString("hex")}.partial`);
  try {
    withFile(temporary, "wx", (file) => {
      writeWhole(file, Buffer.from(lines.map((l) => `${encodeJson(l)}\n`).join("")));
      fsyncSync(file);
    });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error instanceof UsageError ? error : notWritable(path, error);
  }
}

function cutTo(path: string, bytes: number): void {
  try {
    truncateSync(path, bytes);
  } catch (cause) {
    throw notWritable(path, cause);
  }
}

function withFile(path: string, flags: string | number, work: (file: number) => void): void {
  try {
    const file = openSync(path, flags);
    try {
      work(file);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw notWritable(path, cause);
  }
}

function writeWhole(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}

const notWritable = (path: string, cause: unknown): UsageError =>
  new UsageError("ERR_OUTPUT_NOT_WRITABLE", `${path} cannot be written: ${(cause as Error).message}.`, {
    hint: ["ENOSPC", "EDQUOT", "EFBIG"].includes((cause as NodeJS.ErrnoException).code ?? "")
      ? "Free some space on the disk; the same command continues where it stopped."
      : "Choose a folder that you may write to with -o.",
    cause,
  });
