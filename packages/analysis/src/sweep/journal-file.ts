import { statSync } from "node:fs";
import { decodeJson, encodeJson, isObject, UsageError } from "@halfscope/core";
import { type Line, linesOf } from "./lines.js";

/** A sweep writes some hundred bytes per candidate; beyond these a file is no journal of ours. */
const limits = { fileBytes: 2 ** 32, lineBytes: 2 ** 24, groups: 1e6 };

/** What a journal's file holds, checked line by line: it may come from another machine. */
export interface JournalContent<T> {
  path: string;
  /** undefined when not even the head was written whole. */
  head: Readonly<Record<string, unknown>> | undefined;
  /** Keys of all candidates of the sweep in graph order; undefined where the file does not say. */
  groups: readonly string[] | undefined;
  entries: ReadonlyMap<string, T>;
  /** Lines that are not JSON: writes that a crash of the machine tore. Their candidates are measured again. */
  torn: number;
  /** Length of the file without the last line if that was cut off. */
  wholeBytes: number;
  /** The last whole line lacks its line end. */
  open: boolean;
}

/** Reads a journal; undefined where there is no such file. Throws ERR_JOURNAL with the line that cannot be. */
export function readJournalFile<T>(path: string, isEntry: (value: unknown) => value is T): JournalContent<T> | undefined {
  const info = statSync(path, { throwIfNoEntry: false });
  if (info === undefined) return undefined;
  if (!info.isFile() || info.size > limits.fileBytes)
    throw new UsageError("ERR_JOURNAL", `${path} is no journal: expected a file of at most ${limits.fileBytes / 2 ** 30} GiB.`, {
      hint: "Name the folder that a sweep wrote.",
    });
  const entries = new Map<string, T>();
  let head: Readonly<Record<string, unknown>> | undefined;
  let groups: readonly string[] | undefined;
  let torn = 0;
  let last: Line | undefined;
  let wholeBytes = 0;
  for (const line of linesOf(path, limits.lineBytes, (n) => damaged(path, n, `is longer than ${limits.lineBytes / 2 ** 20} MB`))) {
    // Only a file of nothing but a piece of its head can be told from one whose head was overwritten.
    if (last !== undefined && head === undefined) throw damaged(path, last.number, "is not JSON");
    last = line;
    const value = line.text === undefined ? undefined : parsed(line.text);
    if (value === undefined) {
      if (line.ended) torn++;
      continue;
    }
    wholeBytes = line.end;
    const fail = (what: string) => damaged(path, line.number, what);
    const { schema, groups: listed, key, result } = isObject(value) ? value : {};
    if (head === undefined) {
      if (!isObject(value) || typeof schema !== "string") throw fail("is no head of a journal");
      head = value;
    } else if (schema !== undefined) {
      // Files that somebody laid end to end: the same head again says nothing new.
      if (!isSameValue(value, head)) throw fail("is the head of another journal");
    } else if (listed !== undefined) {
      if (!isListOfGroups(listed)) throw fail("is no list of candidates");
      groups = listed;
    } else {
      if (typeof key !== "string" || !isEntry(result)) throw fail("is no result of a sweep");
      const known = entries.get(key);
      if (known !== undefined && !isSameValue(known, result)) throw fail(`has another result for "${key}" than a line before it`);
      entries.set(key, result);
    }
  }
  if (head === undefined) return { path, head, groups, entries, torn: 0, wholeBytes: 0, open: false };
  return {
    path,
    head,
    groups,
    entries,
    torn,
    wholeBytes: last?.ended ? last.end : wholeBytes,
    open: last?.ended === false && last.end === wholeBytes,
  };
}

const isListOfGroups = (v: unknown): v is readonly string[] =>
  Array.isArray(v) && v.length <= limits.groups && v.every((k) => typeof k === "string") && new Set(v).size === v.length;

function parsed(text: string): unknown {
  try {
    return decodeJson(text);
  } catch {
    return undefined; // deeply nested text overflows the parser's stack: a RangeError, and no line of ours either
  }
}

/** Whether two values have the same JSON, whatever the order of their fields. */
export const isSameValue = (a: unknown, b: unknown): boolean => encodeJson(sorted(a)) === encodeJson(sorted(b));

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((k) => [k, sorted(value[k])]),
  );
}

const damaged = (path: string, line: number, what: string): UsageError =>
  new UsageError("ERR_JOURNAL", `${path} is damaged: line ${line} ${what}.`, { hint: "Start anew with --fresh, or without this folder." });
