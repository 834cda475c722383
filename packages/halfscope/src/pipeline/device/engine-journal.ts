import { createHash } from "node:crypto";
import { appendFileSync, readFileSync, rmSync, statSync } from "node:fs";
import {
  type Check,
  decodeJson,
  type EngineRecord,
  type ErrorStats,
  encodeJson,
  list,
  matching,
  number,
  object,
  optional,
  record,
  type SampleCoverage,
  text,
  UsageError,
} from "@halfscope/core";

/** What is kept of one engine: the record without what depends on why it was built and on the tolerance, and without what its layers tell. */
export type KeptEngine = Omit<EngineRecord, "role" | "title" | "outcome" | "fusedAttentions">;

/** What is kept of the marked pair. */
export interface KeptTensors {
  /** Without a candidate where the reference failed already. */
  engines: { reference: KeptEngine; candidate?: KeptEngine }[];
  /** Coverage of those that were not compared in every sample. */
  tensors: (readonly [tensor: string, stats: ErrorStats, coverage?: SampleCoverage])[];
  notObserved: { tensor: string; reason: string }[];
  marking: { output: string; difference: ErrorStats; markedError: number; unmarkedError: number }[];
  seconds: number;
}

interface Kinds {
  engine: KeptEngine;
  tensors: KeptTensors;
}

/**
 * 2: pins hold their constants on TensorRT 8.6, and engine layers that do not say what they compute in are told from those that are not there. 3: files made from pins have the
 * inputs and outputs of the model, and what was not compared is kept for every sample.
 */
const schema = "halfscope/engine-journal/3";
/** A journal beyond it is none of ours: an entry takes at most some megabytes. */
const mostBytes = 2e9;

/**
 * What was measured on engines, a line each, so that a run that was killed goes on without building again what it had built. The key of a line is the digest of
 * everything that its figures hang on (model, samples, plan, library, GPU ...), so lines of other experiments are simply never asked for. A line that a crash tore, or that
 * is not what it must be, counts as absent.
 */
export class EngineJournal {
  private readonly lines = new Map<string, unknown>();

  /** Throws ERR_JOURNAL for a file that cannot be read. `path` undefined keeps nothing. */
  constructor(
    private readonly path: string | undefined,
    { fresh = false }: { fresh?: boolean | undefined } = {},
  ) {
    if (path === undefined) return;
    if (fresh) rmSync(path, { force: true });
    for (const line of readLines(path)) {
      const found = parsed(line);
      if (found !== undefined) this.lines.set(found.key, found.value);
    }
  }

  get size(): number {
    return this.lines.size;
  }

  get<K extends keyof Kinds>(kind: K, key: object): Kinds[K] | undefined {
    const found = this.lines.get(keyOf(kind, key));
    return checks[kind](found) === undefined ? (found as Kinds[K]) : undefined;
  }

  /** One write: a kill loses this line at most. */
  add<K extends keyof Kinds>(kind: K, key: object, value: Kinds[K]): void {
    const name = keyOf(kind, key);
    this.lines.set(name, value);
    if (this.path === undefined) return;
    // A torn line before it must not swallow this one.
    appendFileSync(this.path, `\n${encodeJson({ schema, kind, key: name, value })}\n`);
  }
}

const keyOf = (kind: string, key: object): string =>
  createHash("sha256")
    .update(`${kind}\0${encodeJson(key)}`)
    .digest("hex");

function readLines(path: string): string[] {
  try {
    if (statSync(path).size > mostBytes)
      throw new UsageError("ERR_JOURNAL", `${path} is larger than ${mostBytes} bytes.`, { hint: "Start anew with --fresh." });
    return readFileSync(path, "utf8").split("\n");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    if (cause instanceof UsageError) throw cause;
    throw new UsageError("ERR_JOURNAL", `${path} cannot be read: ${(cause as Error).message}.`, {
      hint: "Start anew with --fresh.",
      cause,
    });
  }
}

function parsed(line: string): { key: string; value: unknown } | undefined {
  if (line === "") return undefined;
  try {
    const found = decodeJson(line) as { schema?: unknown; key?: unknown; value?: unknown } | null;
    return found?.schema === schema && typeof found.key === "string" ? { key: found.key, value: found.value } : undefined;
  } catch {
    return undefined; // torn, or nested so deeply that the parser's stack overflows
  }
}

const coverage = { compared: number, of: number, reason: text };
const stats = object({ count: number, sumAbs: number, exponents: list() });

const engine = object({
  ...{ typing: text, marked: number, buildSeconds: number, pins: list(text), failed: optional(text), error: optional(number) },
  messages: list(object({ text, kind: text })),
  latency: optional(record(optional(number))),
  layers: optional(list(object({ name: text, kind: text }))),
  proofs: optional(list(object({ layer: text, outcome: text, evidence: text }))),
  outputs: optional(record(stats)),
  notCompared: optional(list(object({ output: text, ...coverage }))),
});

const namedStats = matching(
  "name, statistics and perhaps coverage",
  (value) =>
    Array.isArray(value) &&
    text(value[0]) === undefined &&
    stats(value[1]) === undefined &&
    optional(object(coverage))(value[2]) === undefined,
);
const tensors = object({
  seconds: number,
  engines: list(object({ reference: engine, candidate: optional(engine) })),
  tensors: list(namedStats),
  notObserved: list(object({ tensor: text, reason: text })),
  marking: list(object({ output: text, difference: stats })),
});

const checks: { readonly [K in keyof Kinds]: Check } = { engine, tensors };
