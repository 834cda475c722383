import type { Merged } from "../pipeline/merge.js";
import { describeSensitivity } from "./describe-sensitivity.js";
import { clip, safe } from "./text.js";

/** What `merge` prints for people. */
export function describeMerge(m: Merged): string {
  const whole = m.candidates === undefined ? "an unknown number" : String(m.candidates);
  const double = m.duplicates === 0 ? "" : `; ${m.duplicates} were measured more than once, with the same result`;
  const lines = [`${m.swept} of ${whole} candidates are in ${safe(m.folder)}${double}.`];
  if (m.result !== undefined) return [...lines, "", describeSensitivity(m.result)].join("\n");
  if (m.candidates === undefined) lines.push("No journal lists its candidates; the sweep itself finds what is missing.");
  else if (m.missing.length === 0)
    lines.push(
      m.metric
        ? "Nothing is missing; the sweep was judged by a metric, which it must be given again to end."
        : `Nothing is missing, but the model is not at ${clip(safe(m.modelPath))}: name it with --model.`,
    );
  else {
    lines.push(`Missing: ${m.missing.length}, the first of them ${clip(safe(m.missing.slice(0, 3).join(", ")))}.`);
    const absent = absentShards(m.shards);
    if (absent.length > 0) lines.push(`No folder of shard ${absent.join(", ")} was given.`);
  }
  return lines.join("\n");
}

/** The command that goes on from here. */
export function nextAfterMerge(m: Merged): string {
  if (m.result !== undefined) return `halfscope recommend ${m.folder}`;
  const sweep = `halfscope sweep ${m.modelPath} -o`;
  const absent = absentShards(m.shards)[0];
  const others =
    absent === undefined
      ? ""
      : `\n  or on another machine: ${sweep} DIR --shard ${absent}, then: halfscope merge ${m.folder} DIR -o ${m.folder}`;
  return `${sweep} ${m.folder}, with the options of the parts, measures what is missing here${others}`;
}

/** Of shards `1/4`, `3/4`: `2/4`, `4/4`. */
function absentShards(shards: readonly string[]): string[] {
  const counts = new Set(shards.map((s) => Number(s.split("/")[1])));
  const [of] = counts;
  if (of === undefined || counts.size > 1 || !(of <= 1000)) return [];
  return Array.from({ length: of }, (_, i) => `${i + 1}/${of}`).filter((s) => !shards.includes(s));
}
