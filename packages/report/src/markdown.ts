import type { ErrorSummary, ResultDocument } from "@halfscope/core";
import { answerOf } from "./answer.js";
import { deviceMarkdown } from "./device/device-markdown.js";
import { fixAdvice } from "./fix-advice.js";
import { number, percent, plural } from "./format.js";
import { sentence, shortName, visible } from "./names.js";
import { ruleWords } from "./sections/rules.js";
import { originWords } from "./sections/section.js";
import { isBroken, type View, viewOf } from "./view.js";

const shown = 10;

/** A short summary for an issue or a pull request. Names from the model are code spans; nothing in them is read as Markdown or HTML. */
export function renderMarkdown(result: ResultDocument): string {
  const v = viewOf(result);
  const answer = answerOf(v);
  const lines = [
    `# ${v.word} precision of ${code(result.model.path)}`,
    "",
    `**${escapeMarkdown(answer.headline)}** ${escapeMarkdown(answer.detail)}`,
    ...(answer.alarm === undefined ? [] : ["", `**${escapeMarkdown(answer.alarm)}**`]),
    ...(answer.engine === undefined
      ? []
      : ["", answer.engine.loud ? `**${escapeMarkdown(answer.engine.text)}**` : escapeMarkdown(answer.engine.text)]),
    ...answer.notes.flatMap((n) => ["", `> ${escapeMarkdown(n)}`]),
    ...(answer.next === undefined ? [] : ["", `Next: ${code(answer.next, 400)}`]),
    ...deviceMarkdown(v, { code, escapeMarkdown }),
    ...origins(v),
    ...layers(v),
    ...pins(v),
    ...fixes(v),
    ...rules(v),
  ];
  return `${lines.join("\n")}\n`;
}

function origins(v: View): string[] {
  const harmful = v.origins.filter((o) => o.kind !== "harmless-overflow");
  if (harmful.length === 0) return [];
  return [
    "",
    "## Overflows first",
    "",
    ...harmful.slice(0, shown).map((o) => `- **${originWords[o.kind]}** in ${code(o.layer)}: ${escapeMarkdown(o.evidence)}`),
    ...more(harmful.length),
  ];
}

function layers(v: View): string[] {
  const costly = v.result.sensitivity?.layers ?? [];
  const ranked = v.result.ranking?.layers ?? [];
  const ids = costly.length > 0 ? costly.map((l) => l.layer) : ranked.map((l) => l.layer);
  if (ids.length === 0) return [];
  return [
    "",
    costly.length > 0 ? "## What costs the final outputs most" : "## Where the error arises",
    "",
    "| layer | kind | isolated | accumulated | cost |",
    "|---|---|---:|---:|---:|",
    ...ids.slice(0, shown).map((id) => {
      const r = v.ranked.get(id);
      const error = (e: ErrorSummary | undefined) => (isBroken(e) ? "not finite" : number(e?.relativeL2));
      return `| ${code(id)} | ${escapeMarkdown(v.layers.get(id)?.kind ?? "")} | ${error(r?.isolated)} | ${error(r?.accumulated)} | ${number(v.sensitivity.get(id)?.outputError)} |`;
    }),
    "",
    `Relative L2; cost is the change of the final outputs when only this layer is in ${v.word}.`,
  ];
}

function pins(v: View): string[] {
  const { recommendation: r } = v.result;
  if (r === undefined || r.pins.length === 0) return [];
  return [
    "",
    `## ${plural(r.pins.length, "pin")}`,
    "",
    ...r.pins.slice(0, shown).map((p) => `- ${code(p.layer)}: ${escapeMarkdown(p.reason)}`),
    ...more(r.pins.length),
  ];
}

function fixes(v: View): string[] {
  const found = v.result.fixes?.fixes ?? [];
  const advice = fixAdvice(v);
  if (found.length === 0) return [];
  return [
    "",
    "## Better than a pin",
    "",
    ...(advice === undefined ? [] : [escapeMarkdown(advice), ""]),
    ...found.slice(0, shown).map((f) => `- ${escapeMarkdown(f.title)}`),
    ...more(found.length),
  ];
}

function rules(v: View): string[] {
  const suggestions = v.result.recommendation?.suggestions ?? [];
  if (suggestions.length === 0) return [];
  return [
    "",
    "## What the usual advice is worth here",
    "",
    "| rule | layers | error without | error with | work in FP32 | verdict |",
    "|---|---:|---:|---:|---:|---|",
    ...suggestions.map(
      (s) =>
        `| ${ruleWords[s.rule]} | ${s.layers.length} | ${number(s.errorWithout)} | ${number(s.errorWith)} | ${percent(s.fp32Share)} | ${escapeMarkdown(s.verdict)} |`,
    ),
  ];
}

const more = (total: number): string[] => (total > shown ? [`- and ${total - shown} more`] : []);

/** Text in which no character has a meaning for Markdown, inside a table or outside. */
export const escapeMarkdown = (text: string): string =>
  sentence(text)
    .replace(/[\\`*_[\]<>#!|~&]/g, "\\$&")
    .replace(/:(?=\/\/)|(?<=\bwww)\./gi, "\\$&");

/** A code span that no name can leave: its fence is longer than any run of backticks inside. Pipes are replaced by a look-alike, since a table would split there. */
export function code(name: string, max?: number): string {
  const text = (max === undefined ? shortName(name) : visible(name).slice(0, max)).replaceAll("|", "∣");
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = "`".repeat(longest + 1);
  return longest > 0 ? `${fence} ${text} ${fence}` : `${fence}${text}${fence}`;
}
