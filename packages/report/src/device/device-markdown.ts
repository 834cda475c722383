import { number, percent, seconds } from "../format.js";
import type { View } from "../view.js";
import { hasFusedAttentions } from "./attention-price.js";
import { deviceAnswerOf, placeOf } from "./device-answer.js";
import { outcomeOf } from "./device-view.js";
import { milliseconds, outcomeWords, proofWords, roleWords, typingWords } from "./device-words.js";

const shown = 10;

/** How the Markdown summary writes names and sentences. */
export interface MarkdownWriter {
  code(name: string): string;
  escapeMarkdown(text: string): string;
}

/** The engines as a table, agreement, and pins that are not in the engine. Empty where no engine was asked. */
export function deviceMarkdown(v: View, { code, escapeMarkdown }: MarkdownWriter): string[] {
  const d = v.engine;
  if (d === undefined) return [];
  const answer = deviceAnswerOf(d, v.word);
  const attentions = hasFusedAttentions(d.device.engines);
  const rows = d.device.engines.slice(0, 3 * shown).map((e) => {
    const outcome = e.role === "reference" ? undefined : outcomeOf(e, d.tolerance);
    const error =
      e.failed !== undefined ? "–" : e.role === "reference" ? "reference" : outcome === "not-finite" ? "**not finite**" : number(e.error);
    return `| ${escapeMarkdown(e.title)} | ${escapeMarkdown(roleWords(e.role, v.word))} | ${escapeMarkdown(typingWords(e.typing, d.device.environment.backend))} | ${e.pins.length} | ${e.marked} | ${seconds(e.buildSeconds)} | ${milliseconds(e.latency?.p50)} | ${milliseconds(e.latency?.p95)} | ${error} | ${e.failed !== undefined ? "**not built**" : outcome === undefined ? "" : escapeMarkdown(outcomeWords(outcome))} | ${percent(e.halfTimeShare)} |${attentions ? ` ${e.fusedAttentions ?? "–"} |` : ""}`;
  });
  const failures = d.failures.slice(0, shown).map((e) => `The engine "${e.title}" ${e.failed}`);
  const pins = d.ignored
    .slice(0, shown)
    .map(({ proof: p }) => `- **${escapeMarkdown(proofWords(p.outcome))}**: ${code(p.layer)}: ${escapeMarkdown(p.evidence)}`);
  return [
    "",
    "## On the engine",
    "",
    [`${placeOf(d)}.`, answer.headline, ...failures, ...answer.detail, ...answer.agreement].map(escapeMarkdown).join(" "),
    ...(rows.length === 0
      ? []
      : [
          "",
          `| engine | for | types | pins | observed | build | median | 95 % | error | verdict | time in ${v.word} |${attentions ? " fused attentions |" : ""}`,
          `|---|---|---|---:|---:|---:|---:|---:|---:|---|---:|${attentions ? "---:|" : ""}`,
          ...rows,
        ]),
    ...(pins.length === 0 ? [] : ["", "Pins that are not in the engine:", "", ...pins]),
    ...(d.ignored.length > shown ? [`- and ${d.ignored.length - shown} more`] : []),
  ];
}
