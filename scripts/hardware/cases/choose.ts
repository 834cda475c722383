/** Which hazard cases are asked, and which first: time on a GPU may end before the list does. */
import { UsageError } from "@halfscope/core";
import type { HazardCase } from "./case-graph.js";

/** Cases whose id or group contains one of the parts of `only` (apart by commas; all where it is empty), in their order. Throws ERR_OPTION for a part that no case has. */
export function chooseCases(cases: readonly HazardCase[], only: string): readonly HazardCase[] {
  const parts = only
    .split(",")
    .map((p) => p.trim())
    .filter((p) => p !== "");
  if (parts.length === 0) return cases;
  const has = (c: HazardCase, part: string) => c.id.includes(part) || c.group.includes(part);
  const unknown = parts.filter((p) => !cases.some((c) => has(c, p)));
  if (unknown.length > 0)
    throw new UsageError(
      "ERR_OPTION",
      `--only takes parts of ids or groups, apart by commas; no case has ${unknown.map((u) => `"${u}"`).join(", ")}.`,
      { hint: `Groups are ${[...new Set(cases.map((c) => c.group))].join(", ")}; hazard-models writes every case and names it.` },
    );
  return cases.filter((c) => parts.some((p) => has(c, p)));
}

/** One or two of a group whose outcome says most of the group: what everybody asks of FP16. */
export const telling: readonly string[] = [
  "norm-written-out-1000",
  "epsilon-1e-12-rows-without-variance",
  "mask-multiplied-3.4e38",
  "attention-large-scores",
  "reduce-mean-65536",
  "product-65536",
  "softmax-by-hand-12",
  "cube-50",
  "division-epsilon-1e-8",
  "weights-subnormal",
  "norm-node-1000",
  "mask-empty-rows-1e9",
  "cumulative-sum-8192",
  "reciprocal-small",
  "weights-overflow",
];

/** The same cases: of every group the most telling one, then of every group the next one, and so on. */
export function byWorth(cases: readonly HazardCase[]): HazardCase[] {
  const rank = (c: HazardCase) => (telling.includes(c.id) ? telling.indexOf(c.id) : telling.length);
  const groups = new Map<string, HazardCase[]>();
  for (const c of [...cases].sort((a, b) => rank(a) - rank(b))) groups.set(c.group, [...(groups.get(c.group) ?? []), c]);
  const lists = [...groups.values()];
  const longest = Math.max(0, ...lists.map((l) => l.length));
  return Array.from({ length: longest }, (_, i) => lists.flatMap((l) => l[i] ?? [])).flat();
}
