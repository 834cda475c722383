/** What `hazards` writes: cases, and for each the engines that were built of it, saved one by one. */
import type { Typing } from "@halfscope/core";
import type { Outcome, warningsIn } from "./outcome.js";
import type { ReportHead } from "./report-file.js";

/** How a case is built. */
export interface Variant {
  /** Which constants its file has: `finite` as `halfscope apply` writes them, `overflow` as a plain cast does. The file's own where weakly typed. */
  constants: "finite" | "overflow" | "own";
  typing: "typed" | "weak";
  marked: boolean;
  /** FP16 is asked for in each layer: else a weakly typed engine may be left in FP32. */
  asked?: boolean;
}

export interface HazardEngine extends Outcome, Variant {
  /** Engine layers by what they compute in, where the engine tells. */
  computes?: Readonly<Record<string, number>>;
  warnings?: ReturnType<typeof warningsIn>;
}

export interface HazardEntry {
  id: string;
  group: string;
  title: string;
  /** Hazards that halfscope names, without duplicates: `code (severity)`. */
  hazards: readonly string[];
  /** All FP16, emulated; `plain` with constants as a plain cast writes them, where that matters. */
  predicted?: Outcome;
  predictedPlain?: Outcome;
  /** Why nodes stay in FP32 on this engine, which computes them wrongly in FP16: the prediction is of them in FP32. */
  keptFull?: readonly string[];
  engines: HazardEngine[];
  /** Why the case could not be run at all. */
  failed?: string;
  /** Names of variants that were asked for and not measured: the time was up, or somebody ended the program. `--resume` measures them. */
  unfinished?: readonly string[];
  /** In a share's own file while it works: what a library would have ended the process on. */
  at?: string;
}

export interface HazardsReport extends ReportHead {
  like: string;
  cases: HazardEntry[];
  /** Ids of cases that were asked for and not begun. */
  notBegun?: readonly string[];
}

/** Every variant, what is worth most first: where time ends, the table has the columns that it needs most. Names are those of `--variants`. */
export const variants: ReadonlyMap<string, Variant> = new Map<string, Variant>([
  ["typed", { typing: "typed", constants: "finite", marked: false }],
  ["plain", { typing: "typed", constants: "overflow", marked: false }],
  ["asked", { typing: "weak", constants: "own", marked: false, asked: true }],
  ["typed-marked", { typing: "typed", constants: "finite", marked: true }],
  ["asked-marked", { typing: "weak", constants: "own", marked: true, asked: true }],
  ["weak", { typing: "weak", constants: "own", marked: false }],
]);

/** Names of a case's variants among the wanted ones, in order. Plain casts where constants matter only. */
export const variantsOf = (constantsMatter: boolean | undefined, typings: readonly Typing[], wanted: ReadonlySet<string>): string[] =>
  [...variants]
    .filter(([name, v]) => wanted.has(name) && typings.includes(v.typing) && (v.constants !== "overflow" || constantsMatter === true))
    .map(([name]) => name);

/** The name of the variant that an engine is. */
export const nameOf = (engine: Variant): string =>
  [...variants].find(
    ([, v]) =>
      v.typing === engine.typing &&
      v.constants === engine.constants &&
      v.marked === engine.marked &&
      (v.asked ?? false) === (engine.asked ?? false),
  )?.[0] ?? "unknown";

/**
 * What is known of a case whose process was ended by the engine's library (`how`: a signal or an exit code). The engine that was being built is an answer like a refusal;
 * without one, what all engines of the case need did it, and the case is given up.
 */
export function afterCrash({ at, ...entry }: HazardEntry, how: string): HazardEntry {
  if (at === undefined) return entry;
  // No library does that: the system does where memory runs out.
  const reason =
    how === "SIGKILL" ? "the process was killed; the machine's memory may have run out" : `the engine's library ended the process (${how})`;
  const variant = variants.get(at);
  if (variant === undefined) return { ...entry, failed: `${reason}, in: ${at}` };
  return { ...entry, engines: [...entry.engines, { ...variant, outcome: "refused", reason }] };
}

/** Entries of earlier runs go on: what was being built when somebody ended the program is no answer and is built again; what failed stays so. */
export const afterStop = ({ at: _, ...entry }: HazardEntry): HazardEntry => entry;

/** One entry per case: what has more engines, or else comes later, wins. */
export function mergeEntries(entries: readonly HazardEntry[]): HazardEntry[] {
  const best = new Map<string, HazardEntry>();
  for (const entry of entries) {
    const known = best.get(entry.id);
    if (known === undefined || entry.engines.length >= known.engines.length) best.set(entry.id, entry);
  }
  return [...best.values()];
}

/** The cases found, in the order of `table`; what they lack of the variants that are asked for, now or in an earlier run, is told. */
export function inOrder(found: readonly HazardEntry[], table: readonly { id: string; names: readonly string[] }[]): HazardEntry[] {
  return table.flatMap(({ id, names }) => {
    const known = found.find((e) => e.id === id);
    if (known === undefined) return [];
    const wanted = new Set([...names, ...(known.unfinished ?? [])]);
    const { engines, unfinished: _, ...about } = afterStop(known);
    const missing = [...wanted].filter((name) => !engines.some((e) => nameOf(e) === name));
    return [{ ...about, engines, ...(missing.length > 0 && about.failed === undefined && { unfinished: missing }) }];
  });
}
