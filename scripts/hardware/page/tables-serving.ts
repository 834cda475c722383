/** Batches, profiles and contexts; overhead; which files all of it is from. */
import type { BenchDocument, BenchPoint } from "@halfscope/core";
import { milliseconds, number, percent, table } from "./markdown-table.js";
import { engineOf, type Reports } from "./reports.js";

const servedBy = (d: BenchDocument, shape: string, batch: number) => d.comparisons.find((c) => c.shape === shape && c.batch === batch);

const pointRow = (d: BenchDocument, p: BenchPoint): string[] => {
  const compared = servedBy(d, p.shape, p.batch);
  const single = compared?.single;
  return [
    p.shape,
    String(p.batch),
    String(p.contexts),
    p.refusal === undefined ? milliseconds(p.latency?.p50) : `${p.refusal.kind}: ${p.refusal.reason}`,
    milliseconds(p.latency?.p99),
    number(p.throughput),
    single === undefined ? "-" : single.bitIdentical ? "same bits" : `${number(single.maxAbs)}, ${number(single.meanAbs)}`,
    number(compared?.reference?.relativeL2),
  ];
};

export const servingTable = ({ serving }: Reports): string =>
  serving
    .flatMap((r) =>
      r.runs.map(({ title, document: d }) => {
        const role = d.points.some((p) => p.role === "candidate") ? "candidate" : "reference";
        const rows = d.points.filter((p) => p.role === role).map((p) => pointRow(d, p));
        const head = ["shape", "batch", "contexts", "p50", "p99", "requests / s", "batched against single: max, mean", "against FP32"];
        return `**${title}**, ${engineOf(r)}, FP16; profiles ${(d.options.profiles ?? ["none"]).map((p) => `\`${p}\``).join(" and ")}\n\n${table(head, rows)}`;
      }),
    )
    .join("\n\n");

export const overheadTable = ({ overhead }: Reports): string =>
  table(
    [
      "engine",
      "model",
      "C++ program p50",
      "addon, its own loop",
      "from JavaScript that spins",
      "over the program",
      "from JavaScript that sleeps",
      "over the program",
    ],
    overhead.map((r) => [
      engineOf(r),
      r.model,
      milliseconds(r.ways.program?.p50),
      milliseconds(r.ways.loop.p50),
      milliseconds(r.ways.spinning.p50),
      percent(r.overhead?.spinning),
      milliseconds(r.ways.addon.p50),
      percent(r.overhead?.addon),
    ]),
  );

export const filesTable = ({ all }: Reports): string =>
  table(
    ["file", "engine", "GPU", "driver", "command"],
    all.map((r) => [r.file, engineOf(r), r.environment.gpu ?? "-", r.environment.driver ?? "-", `\`${r.command}\``]),
  );
