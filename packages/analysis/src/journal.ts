import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { decodeJson, encodeJson, type HalfType, UsageError } from "@halfscope/core";

/** What a sweep's numbers depend on. Two journals with equal heads hold the same experiment. */
export interface JournalHead {
  schema: "halfscope/journal/1";
  modelDigest: string;
  feedDigest: string;
  like: string;
  constants: string;
  /** What candidates compute in; FP16 when absent, as in journals of earlier versions. */
  precision?: HalfType;
  basePins: readonly string[];
  onnxruntime: string;
  instructionSet: string;
}

/** An append-only file of results by key: a killed sweep continues where it stopped and gives the same answer. */
export class Journal<T> {
  private readonly entries = new Map<string, T>();

  /**
   * Opens or starts a journal. A last line that was cut off is dropped. `fresh` starts anew.
   * Throws ERR_JOURNAL when the file belongs to another experiment.
   */
  constructor(
    private readonly path: string | undefined,
    private readonly head: JournalHead,
    isEntry: (value: unknown) => value is T,
    options: { fresh?: boolean } = {},
  ) {
    if (path === undefined) return;
    if (options.fresh || !existsSync(path)) {
      writeFileSync(path, `${encodeJson(head)}\n`);
      return;
    }
    const lines = readFileSync(path, "utf8").split("\n");
    const kept: string[] = [];
    lines.forEach((line, i) => {
      if (line === "") return;
      const value = this.parse(line, i, lines.length);
      if (value === undefined) return;
      kept.push(line);
      if (i === 0) this.requireSameHead(value);
      else {
        const { key, result } = (value ?? {}) as { key?: unknown; result?: unknown };
        if (typeof key !== "string" || !isEntry(result)) throw this.damaged(i, "is no result of a sweep");
        this.entries.set(key, result);
      }
    });
    if (kept.length === 0) writeFileSync(path, `${encodeJson(head)}\n`);
    else if (lines.at(-1) !== "") writeFileSync(path, `${kept.join("\n")}\n`);
  }

  get size(): number {
    return this.entries.size;
  }
  get(key: string): T | undefined {
    return this.entries.get(key);
  }
  /** Written at once, a line per result: a kill loses at most the line under way. */
  add(key: string, result: T): void {
    this.entries.set(key, result);
    if (this.path !== undefined) appendFileSync(this.path, `${encodeJson({ key, result })}\n`);
  }

  private parse(line: string, index: number, count: number): unknown {
    try {
      return decodeJson(line);
    } catch {
      if (index === count - 1) return undefined; // the line that a kill cut off
      throw this.damaged(index, "is not JSON");
    }
  }

  private requireSameHead(found: unknown): void {
    const known: Record<string, unknown> = { precision: "float16", ...(found as Record<string, unknown> | null) };
    const wanted: JournalHead = { precision: "float16", ...this.head };
    const different = Object.entries(wanted).filter(([k, v]) => encodeJson(known[k] ?? null) !== encodeJson(v));
    if (different.length === 0) return;
    const names = different.map(([k]) => k).join(", ");
    throw new UsageError("ERR_JOURNAL", `${this.path} belongs to another sweep: ${names} differ.`, {
      hint: "Use another output folder, or start anew with --fresh.",
      context: { differ: names },
    });
  }

  private damaged(line: number, what: string): UsageError {
    return new UsageError("ERR_JOURNAL", `${this.path} is damaged: line ${line + 1} ${what}.`, { hint: "Start anew with --fresh." });
  }
}
