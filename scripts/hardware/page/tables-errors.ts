/** Predicted beside measured: tensors, engines, verdicts. */
import type { EngineEntry, ModelEntry } from "../engines.js";
import type { VerdictPair } from "../measuring/verdicts.js";
import type { TensorsRun } from "../tensors.js";
import { milliseconds, number, percent, seconds, table } from "./markdown-table.js";
import { engineOf, type Reports } from "./reports.js";

/** How a run's engines were typed, and the sizes that they serve where those are open. */
export const typingOf = ({ typing, profiles }: TensorsRun): string =>
  profiles === undefined ? typing : `${typing}, profile ${profiles.map((p) => `\`${p}\``).join(" and ")}`;

export const tensorsTable = ({ tensors }: Reports): string =>
  table(
    [
      "engine",
      "model",
      "typing",
      "tensors",
      "predicted / measured: median",
      "5 % to 95 %",
      "Spearman of error / RMS",
      "depth alone",
      "compared in",
    ],
    tensors.flatMap((r) =>
      r.runs.map((run) => [
        engineOf(r),
        r.model,
        typingOf(run),
        String(run.ratio.tensors),
        number(run.ratio.median),
        `${number(run.ratio.p5)} to ${number(run.ratio.p95)}`,
        run.order.spearman.toFixed(4),
        run.order.null.toFixed(4),
        seconds(run.compare.seconds2),
      ]),
    ),
  );

export const outputsTable = ({ tensors }: Reports): string =>
  table(
    ["engine", "model", "typing", "output", "predicted", "tensors marked", "unmarked"],
    tensors.flatMap((r) =>
      r.runs.flatMap((run) =>
        run.outputs.map((o) => [
          engineOf(r),
          r.model,
          typingOf(run),
          o.output,
          number(o.predicted.relativeL2),
          number(o.marked.relativeL2),
          number(o.unmarked.relativeL2),
        ]),
      ),
    ),
  );

const errorOf = (e: EngineEntry): string => (e.refused === undefined ? number(e.measuredError) : `refused: ${e.refused.reason ?? ""}`);

/** Of the pinned layers that compute: in FP32, and those that are not. */
function provedOf({ proofs }: EngineEntry): string {
  if (proofs === undefined) return "-";
  const others = [
    [proofs.moved, "moved"],
    [proofs.ignored, "ignored"],
    // Files from before this outcome have none.
    [proofs.unknown ?? 0, "not known"],
    [proofs["not-found"], "not found"],
  ].flatMap(([n, word]) => (n === 0 ? [] : [`${n} ${word}`]));
  return [String(proofs["took-effect"]), ...others].join(", ");
}

const modelTable = (engine: string, m: ModelEntry): string =>
  [
    `**${m.model}** on ${engine}, inputs ${m.inputs.map((i) => `${i.name} ${i.dims.join("x")}`).join(", ")}; tolerance of the recommended pins ${number(m.tolerance)}`,
    "",
    table(
      [
        "engine",
        "typing",
        "pinned layers",
        "proved in the engine",
        "error",
        "predicted",
        "p50",
        "p99",
        "build",
        "time in FP16",
        "fused attentions",
      ],
      m.engines.map((e) => [
        e.title,
        e.typing,
        e.typing === "full" ? "all" : String(e.pins),
        provedOf(e),
        e.typing === "full" ? "-" : errorOf(e),
        number(e.predictedError),
        milliseconds(e.latency?.p50),
        milliseconds(e.latency?.p99),
        seconds(e.buildSeconds),
        percent(e.layers?.halfTimeShare),
        String(e.layers?.fusedAttention ?? "-"),
      ]),
    ),
  ].join("\n");

export const enginesTable = ({ engines }: Reports): string =>
  engines.flatMap((r) => r.models.map((m) => modelTable(engineOf(r), m))).join("\n\n");

/** The same measurement of a model may be in several files and counts once; another build of it, or other input sizes, are measurements of their own. */
export function allVerdicts({ engines }: Reports): FiledPair[] {
  const seen = new Map<string, FiledPair>();
  for (const r of engines)
    for (const v of r.verdicts) {
      const model = r.models.find((m) => m.model === v.model);
      const entry = model?.engines.find((e) => `${e.title}, ${e.typing}` === v.engine);
      const same = [engineOf(r), v.model, model?.inputs.map((i) => i.dims), v.engine, v.factor, String(v.measuredError)];
      seen.set(JSON.stringify(same), { ...v, on: engineOf(r), fullSums: entry?.predictedFullSums });
    }
  return [...seen.values()];
}

type FiledPair = VerdictPair & { on: string; fullSums: number | undefined };

export function verdictsTable(reports: Reports): string {
  const pairs = allVerdicts(reports);
  if (pairs.length === 0) return "";
  const groups = new Map<string, VerdictPair[]>();
  for (const p of pairs)
    groups.set(JSON.stringify([p.on, p.factor ?? "not finite"]), [
      ...(groups.get(JSON.stringify([p.on, p.factor ?? "not finite"])) ?? []),
      p,
    ]);
  const counts = table(
    ["engine", "tolerance / measured error", "pairs of model and engine", "predicted = measured"],
    [...groups].map(([key, group]) => {
      const [on = "", factor] = JSON.parse(key) as [string, number | string];
      return [on, String(factor), String(group.length), String(group.filter((p) => p.agrees).length)];
    }),
  );
  const apart = table(
    [
      "engine",
      "model",
      "as",
      "tolerance / measured error",
      "predicted error",
      "with sums in FP32",
      "measured error",
      "predicted",
      "measured",
    ],
    pairs
      .filter((p) => !p.agrees)
      .map((p) => [
        p.on,
        p.model,
        p.engine,
        p.factor === undefined ? "-" : String(p.factor),
        number(p.predictedError),
        p.fullSums === undefined ? "-" : number(p.fullSums),
        number(p.measuredError),
        p.predicted,
        p.measured,
      ]),
  );
  return apart === "" ? `${counts}\n\nNo pair disagrees.` : `${counts}\n\nWhere they disagree:\n\n${apart}`;
}
