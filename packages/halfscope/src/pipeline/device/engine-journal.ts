import { createHash } from "node:crypto";
import { appendFileSync, readFileSync, rmSync, statSync } from "node:fs";
import { decodeJson, type EngineRecord, type ErrorStats, encodeJson, UsageError } from "@halfscope/core";

/** What is kept of one engine: the record without what depends on why it was built and on the tolerance, and without what its layers tell. */
export type KeptEngine = Omit<EngineRecord, "role" | "title" | "outcome" | "fusedAttentions">;

/** What is kept of the marked pair. */
export interface KeptTensors {
  /** Without a candidate where the reference failed already. */
  engines: { reference: KeptEngine; candidate?: KeptEngine }[];
  tensors: (readonly [tensor: string, stats: ErrorStats])[];
  notObserved: { tensor: string; reason: string }[];
  marking: { output: string; difference: ErrorStats; markedError: number; unmarkedError: number }[];
  seconds: number;
}

interface Kinds {
  engine: KeptEngine;
  tensors: KeptTensors;
}

const schema = "halfscope/engine-journal/1";
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
    return found !== undefined && fits[kind](found) ? (found as Kinds[K]) : undefined;
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

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === "object" && v !== null && !Array.isArray(v);
const isTexts = (v: unknown): v is string[] => Array.isArray(v) && v.every((x) => typeof x === "string");
/** Objects of which these fields are texts. */
const isListOf = (v: unknown, texts: readonly string[]): boolean =>
  Array.isArray(v) && v.every((x) => isObject(x) && texts.every((t) => typeof x[t] === "string"));
const isNumberOrNone = (v: unknown): boolean => v === undefined || typeof v === "number";
const isStats = (v: unknown): v is ErrorStats =>
  isObject(v) && typeof v.count === "number" && typeof v.sumAbs === "number" && Array.isArray(v.exponents);

const isEngine = (v: unknown): v is KeptEngine =>
  isObject(v) &&
  typeof v.typing === "string" &&
  typeof v.marked === "number" &&
  typeof v.buildSeconds === "number" &&
  isTexts(v.pins) &&
  (v.failed === undefined || typeof v.failed === "string") &&
  isListOf(v.messages, ["text", "kind"]) &&
  isNumberOrNone(v.error) &&
  (v.latency === undefined || (isObject(v.latency) && Object.values(v.latency).every(isNumberOrNone))) &&
  (v.layers === undefined || isListOf(v.layers, ["name", "kind"])) &&
  (v.proofs === undefined || isListOf(v.proofs, ["layer", "outcome", "evidence"])) &&
  (v.outputs === undefined || (isObject(v.outputs) && Object.values(v.outputs).every(isStats)));

const isTensors = (v: unknown): v is KeptTensors =>
  isObject(v) &&
  typeof v.seconds === "number" &&
  Array.isArray(v.engines) &&
  v.engines.every((e) => isObject(e) && isEngine(e.reference) && (e.candidate === undefined || isEngine(e.candidate))) &&
  Array.isArray(v.tensors) &&
  v.tensors.every((t) => Array.isArray(t) && typeof t[0] === "string" && isStats(t[1])) &&
  isListOf(v.notObserved, ["tensor", "reason"]) &&
  Array.isArray(v.marking) &&
  v.marking.every((m) => isObject(m) && typeof m.output === "string" && isStats(m.difference));

const fits: { [K in keyof Kinds]: (v: unknown) => boolean } = { engine: isEngine, tensors: isTensors };
