import { encodeJson, UsageError } from "@halfscope/core";
import {
  environmentFields,
  environmentInWords,
  environmentOf,
  type JournalEnvironment,
  type JournalHead,
  type MixedEnvironments,
  mixedIn,
  otherRules,
} from "./journal.js";
import { isSameValue, type JournalContent } from "./journal-file.js";
import { unpackProjection } from "./projection.js";

export interface MergeJournalsOptions {
  /** Take journals of other versions or instruction sets together. Defaults to false. */
  allowMixed?: boolean | undefined;
  /** Relative difference up to which two results from different environments count as equal. Defaults to 1e-3. */
  tolerance?: number | undefined;
}
export const defaultMixedTolerance = 1e-3;

export interface MergedJournal<T> {
  head: JournalHead;
  /** In graph order; of journals that do not list their candidates, in the order they were found. */
  entries: ReadonlyMap<string, T>;
  groups: readonly string[] | undefined;
  /** Candidates that nobody has measured; undefined where no journal lists them. */
  missing: readonly string[] | undefined;
  /** Results that more than one journal has. */
  duplicates: number;
  /** Torn lines that were left out. */
  torn: number;
}

/**
 * The journals of parts of one sweep as one. A result that several have is taken from the first; where they contradict each other, the merge is refused, for one of them
 * is wrong and nothing here says which.
 * Throws ERR_JOURNAL.
 */
export function mergeJournals<T>(journals: readonly JournalContent<T>[], o: MergeJournalsOptions = {}): MergedJournal<T> {
  const [first, ...others] = journals.map((j) => ({ ...j, head: requireHead(j) }));
  if (first === undefined)
    throw new UsageError("ERR_JOURNAL", "There is no journal to merge.", { hint: "Name the folders of two or more sweeps." });
  for (const other of others) requireSameQuestion(first, other);
  const tolerance = Math.max(o.tolerance ?? defaultMixedTolerance, ...journals.map((j) => (j.head && mixedIn(j.head)?.tolerance) ?? 0));
  const mixed = mixOf([first, ...others], tolerance);
  if (
    mixed !== undefined &&
    !o.allowMixed &&
    ![first, ...others].some((j) => isSameValue(mixedIn(j.head)?.environments, mixed.environments))
  )
    throw new UsageError(
      "ERR_JOURNAL",
      `The journals come from different environments: ${mixed.environments.map(environmentInWords).join("; ")}.`,
      {
        hint: "Sweep the parts with the same versions on the same kind of processor, or merge them with --allow-mixed: their last digits differ.",
        context: { environments: mixed.environments },
      },
    );
  const found = new Map<string, { result: T; from: JournalContent<T> }>();
  let duplicates = 0;
  for (const from of [first, ...others])
    for (const [key, result] of from.entries) {
      const known = found.get(key);
      if (known === undefined) found.set(key, { result, from });
      else {
        duplicates++;
        requireSameResult(key, known, { result, from }, sameEnvironment(known.from.head, from.head) ? 0 : tolerance);
      }
    }
  const groups = [first, ...others].find((j) => j.groups !== undefined)?.groups;
  const { mixed: _, ...head } = first.head;
  return {
    head: { ...(head as unknown as JournalHead), ...(mixed && { mixed }) },
    entries: new Map(
      [...new Set([...(groups ?? []), ...found.keys()])].flatMap((k) => {
        const it = found.get(k);
        return it === undefined ? [] : [[k, it.result] as const];
      }),
    ),
    groups,
    missing: groups?.filter((k) => !found.has(k)),
    duplicates,
    torn: journals.reduce((n, j) => n + j.torn, 0),
  };
}

/** What `writeJournal` writes. */
export const linesOfJournal = <T>({ head, groups, entries }: MergedJournal<T>): unknown[] => [
  head,
  ...(groups === undefined ? [] : [{ groups }]),
  ...[...entries].map(([key, result]) => ({ key, result })),
];

type Headed<T> = JournalContent<T> & { head: Readonly<Record<string, unknown>> };

function requireHead({ head, path }: JournalContent<unknown>): Readonly<Record<string, unknown>> {
  if (head?.schema === "halfscope/journal/1") return head;
  throw new UsageError(
    "ERR_JOURNAL",
    head === undefined
      ? `${path} holds nothing: the sweep was stopped before its first line.`
      : `${path} has the schema ${JSON.stringify(head.schema)}, expected "halfscope/journal/1".`,
    { hint: "Leave this folder out, or sweep that part again." },
  );
}

/** All but where it was swept must be the same: another model, other inputs, another engine make other numbers. */
function requireSameQuestion(a: Headed<unknown>, b: Headed<unknown>): void {
  const aside = new Set<string>([...environmentFields, "mixed"]);
  const fields = (h: object): Record<string, unknown> => ({ precision: "float16", ...h });
  const [one, other] = [fields(a.head), fields(b.head)];
  const differ = [...new Set([...Object.keys(one), ...Object.keys(other)])].filter(
    (k) => !aside.has(k) && !isSameValue(one[k] ?? null, other[k] ?? null),
  );
  if (a.groups !== undefined && b.groups !== undefined && !isSameValue(a.groups, b.groups)) differ.push("candidates");
  if (differ.length === 0) return;
  throw new UsageError("ERR_JOURNAL", `${a.path} and ${b.path} are not parts of one sweep: ${differ.join(", ")} differ.`, {
    hint:
      differ.join() === "rules"
        ? `${otherRules} Sweep the older one again.`
        : "Parts of one sweep have the same model, inputs and options; only --shard differs.",
    context: { differ },
  });
}

function mixOf(journals: readonly Headed<unknown>[], tolerance: number): MixedEnvironments | undefined {
  const environments: JournalEnvironment[] = [];
  for (const { head } of journals)
    for (const e of mixedIn(head)?.environments ?? [head])
      if (!environments.some((known) => isSameValue(environmentOf(known), environmentOf(e))))
        environments.push(environmentOf(e) as unknown as JournalEnvironment);
  return environments.length > 1 ? { environments, tolerance } : undefined;
}

/** A journal that is mixed itself does not say which of its results comes from where. */
const sameEnvironment = (a: object | undefined, b: object | undefined): boolean =>
  a !== undefined && b !== undefined && !("mixed" in a) && !("mixed" in b) && isSameValue(environmentOf(a), environmentOf(b));

interface Found<T> {
  result: T;
  from: JournalContent<T>;
}
function requireSameResult<T>(key: string, a: Found<T>, b: Found<T>, tolerance: number): void {
  if (tolerance === 0 && isSameValue(a.result, b.result)) return;
  const different = firstDifference(a.result, b.result, tolerance);
  if (different === undefined) return;
  const { at, one, other } = different;
  const text = (v: unknown) => encodeJson(v ?? null).slice(0, 80);
  throw new UsageError(
    "ERR_JOURNAL",
    `Two results for "${key}": ${at} is ${text(one)} in ${a.from.path} and ${text(other)} in ${b.from.path}${tolerance > 0 ? `, more than ${tolerance} apart` : ""}.`,
    {
      hint:
        tolerance > 0
          ? "Raise --mixed-tolerance if that is near enough, or sweep all parts in one environment."
          : "The same sweep gives the same numbers: one of the folders is damaged or of another build. Leave it out, or sweep its part again.",
      context: { key, at, values: [one ?? null, other ?? null], files: [a.from.path, b.from.path] },
    },
  );
}

/**
 * Where two results differ, and how; numbers may lie `tolerance` apart, relative to the larger, and packed projections (`signed`) in proportion to their length.
 */
function firstDifference(
  a: unknown,
  b: unknown,
  tolerance: number,
  at = "result",
): { at: string; one: unknown; other: unknown } | undefined {
  if (typeof a === "number" && typeof b === "number") return isNear(a, b, tolerance) ? undefined : { at, one: a, other: b };
  if (tolerance > 0 && at.startsWith("signed[") && areNearProjections(a, b, tolerance)) return undefined;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null || Array.isArray(a) !== Array.isArray(b))
    return a === b ? undefined : { at, one: a, other: b };
  const [one, other] = [a as Record<string, unknown>, b as Record<string, unknown>];
  for (const k of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const found = firstDifference(one[k], other[k], tolerance, Array.isArray(a) ? `${at}[${k}]` : at === "result" ? k : `${at}.${k}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

const isNear = (a: number, b: number, tolerance: number): boolean =>
  Object.is(a, b) || (tolerance > 0 && Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b)) && Number.isFinite(a - b));

/** A projection is a vector: a single component may be next to nothing. Each lies within half a step of what was packed. */
function areNearProjections(a: unknown, b: unknown, tolerance: number): boolean {
  const [one, other] = [unpackProjection(a), unpackProjection(b)];
  if (one === undefined || other === undefined || one.length !== other.length) return false;
  const largest = (v: Float64Array) => v.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  const halfSteps = ((largest(one) + largest(other)) / 127 / 2) * Math.sqrt(one.length);
  const distance = Math.hypot(...one.map((x, i) => x - (other[i] ?? 0)));
  return distance <= halfSteps + tolerance * Math.max(Math.hypot(...one), Math.hypot(...other));
}
