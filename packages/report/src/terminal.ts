import { judgedWords, minimalWords, type ResultDocument } from "@halfscope/core";
import { answerOf } from "./answer.js";
import { fixAdvice } from "./fix-advice.js";
import { number, percent, plural } from "./format.js";
import { sentence, shortName } from "./names.js";
import { choiceWords } from "./sections/fixes.js";
import { originWords } from "./sections/section.js";
import { isBroken, viewOf } from "./view.js";

const shown = 5;

/** A dozen lines for people at a terminal: the answer, then what is behind it. No colours; no control characters from names. */
export function renderTerminalSummary(result: ResultDocument): string {
  const v = viewOf(result);
  const answer = answerOf(v);
  const lines = [
    answer.headline,
    answer.detail,
    ...(answer.alarm === undefined ? [] : [answer.alarm]),
    ...(answer.engine === undefined ? [] : [answer.engine.text]),
    ...answer.notes.map((n) => `Note: ${n}`),
  ];
  const list = (title: string, items: readonly string[], total: number) => {
    if (items.length === 0) return;
    lines.push("", title, ...items.map((i) => `  ${i}`));
    if (total > items.length) lines.push(`  and ${total - items.length} more`);
  };
  const harmful = v.origins.filter((o) => o.kind !== "harmless-overflow");
  list(
    "First overflows:",
    harmful.slice(0, shown).map((o) => `${originWords[o.kind]} in ${shortName(o.layer)}: ${sentence(o.evidence)}`),
    harmful.length,
  );
  const arising = (result.ranking?.layers ?? []).filter((l) => l.isolated !== undefined && (isBroken(l.isolated) || l.isolated.maxAbs > 0));
  list(
    "Error arises most in (isolated relative L2):",
    arising
      .slice(0, shown)
      .map((l) => `${(isBroken(l.isolated) ? "not finite" : number(l.isolated?.relativeL2)).padEnd(10)} ${shortName(l.layer)}`),
    arising.length,
  );
  const costly = result.sensitivity?.layers ?? [];
  list(
    "Final outputs suffer most from (relative L2):",
    costly.slice(0, shown).map((l) => `${number(l.outputError).padEnd(10)} ${shortName(l.layer)}`),
    costly.length,
  );
  const pins = result.recommendation?.pins ?? [];
  list(
    `Pinned to FP32${v.mixed?.fp32Share === undefined ? "" : `, ${percent(v.mixed.fp32Share)} of the work`}:`,
    pins.slice(0, shown).map((p) => `${shortName(p.layer)}: ${sentence(p.reason)}`),
    pins.length,
  );
  const minimal = minimalWords(result.recommendation?.minimal);
  if (minimal !== undefined) lines.push(`  ${minimal}`);
  if (result.recommendation !== undefined) lines.push(...judgedWords(result.recommendation, number).map((w) => `  ${w}`));
  const like = result.recommendation?.like;
  if (like !== undefined)
    lines.push("", `Pins like ${shortName(like.given)} (${plural(like.layers.length, "layer")}): ${sentence(like.verdict)}`);
  const useless = (result.recommendation?.suggestions ?? []).filter((s) => s.errorWith > 0.995 * s.errorWithout);
  if (useless.length > 0)
    lines.push(
      "",
      `Usual advice that does nothing here: ${useless.map((s) => `${s.rule} (${plural(s.layers.length, "layer")})`).join(", ")}.`,
    );
  const { fixes } = result;
  if (fixes !== undefined && fixes.fixes.length > 0) {
    list(
      `Better than a pin (\`halfscope fix\` writes it; FP32 results change by ${number(fixes.fp32Change)}):`,
      fixes.fixes.slice(0, shown).map((f) => sentence(f.title)),
      fixes.fixes.length,
    );
    const advice = fixAdvice(v);
    if (advice !== undefined) lines.push(advice);
    list(
      "Pins against fixes, measured on every sample:",
      (result.choices ?? []).map(
        (c) =>
          `${c.best ? "* " : "  "}${choiceWords[c.kind] ?? c.kind}: error ${number(c.error)}, ${plural(c.pins.length, "pin")}, ${percent(c.fp32Share)} of the work in FP32`,
      ),
      0,
    );
    const best = result.choices?.find((c) => c.best);
    if (best !== undefined) lines.push(`Best: ${sentence(best.todo)}`);
  }
  if (answer.next !== undefined) lines.push("", `Next: ${answer.next}`);
  return lines.join("\n");
}
