/** The result of a run for people: how many models were handled, refused and failed, by collection, and why. */
import { type ModelRecord, type Outcome, reasonClass, type StepRecord } from "./record.js";

export interface Summary {
  total: number;
  handled: number;
  refused: number;
  failed: number;
  /** Of the ones not handled, by reason, most frequent first. */
  reasons: readonly ReasonGroup[];
  /** Steps without anything to do, and remarks, by text. */
  remarks: readonly { text: string; models: number; example: string }[];
}
export interface ReasonGroup {
  outcome: Exclude<Outcome, "handled">;
  step: string;
  reason: string;
  models: readonly string[];
  /** The first model's own words. */
  example: string;
}

export function summarise(records: readonly ModelRecord[]): Summary {
  const groups = new Map<string, { outcome: "refused" | "failed"; step: string; reason: string; models: string[]; example: string }>();
  const remarks = new Map<string, { text: string; models: number; example: string }>();
  for (const record of records) {
    const blamed = record.steps.filter((s) => s.status === record.outcome);
    for (const step of blamed) {
      const reason = reasonClass(step.reason ?? "");
      const key = `${step.status}\0${step.step}\0${reason}`;
      const group = groups.get(key) ?? {
        outcome: record.outcome as "refused" | "failed",
        step: step.step,
        reason,
        models: [],
        example: step.reason ?? "",
      };
      group.models.push(record.id);
      groups.set(key, group);
    }
    for (const text of new Set(record.steps.flatMap(remarksOf))) {
      const remark = remarks.get(text) ?? { text, models: 0, example: record.id };
      remark.models++;
      remarks.set(text, remark);
    }
  }
  const count = (outcome: Outcome) => records.filter((r) => r.outcome === outcome).length;
  return {
    total: records.length,
    handled: count("handled"),
    refused: count("refused"),
    failed: count("failed"),
    reasons: [...groups.values()].sort((a, b) => b.models.length - a.models.length),
    remarks: [...remarks.values()].sort((a, b) => b.models - a.models),
  };
}

/** Remarks that are worth counting; figures of single models are not. */
function remarksOf(step: StepRecord): string[] {
  const notes = (step.notes ?? []).filter((n) => !/^(isolated|accumulated): |layers pinned/.test(n)).map(reasonClass);
  return step.status === "void" ? [`${step.step}: ${reasonClass(step.reason ?? "")}`, ...notes] : notes;
}

export function formatTable(byCollection: ReadonlyMap<string, readonly ModelRecord[]>): string {
  const lines: string[] = [];
  const row = (cells: readonly (string | number)[]) =>
    lines.push(cells.map((c, i) => (i === 0 ? String(c).padEnd(12) : String(c).padStart(9))).join(""));
  row(["collection", "models", "handled", "refused", "failed"]);
  const all = [...byCollection.values()].flat();
  for (const [name, records] of [...byCollection, ["all", all] as const]) {
    const s = summarise(records);
    row([name, s.total, s.handled, s.refused, s.failed]);
  }
  const { reasons, remarks } = summarise(all);
  for (const outcome of ["refused", "failed"] as const) {
    const groups = reasons.filter((g) => g.outcome === outcome);
    if (groups.length > 0) lines.push("", outcome === "refused" ? "Refused, with the reason:" : "Failed:");
    for (const g of groups) {
      lines.push(`${String(g.models.length).padStart(5)}  ${g.step}: ${g.reason}`);
      lines.push(`       ${g.models.slice(0, 4).join(", ")}${g.models.length > 4 ? ", ..." : ""}`);
      if (outcome === "failed") lines.push(`       ${g.example.replaceAll("\n", " ").slice(0, 400)}`);
    }
  }
  if (remarks.length > 0) lines.push("", "Remarks:");
  for (const r of remarks) lines.push(`${String(r.models).padStart(5)}  ${r.text} (${r.example}${r.models > 1 ? ", ..." : ""})`);
  return `${lines.join("\n")}\n`;
}
