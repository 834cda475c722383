/** The figures to reach, and what was measured. */
import { number, percent, seconds, table } from "./markdown-table.js";
import { engineOf, type Reports } from "./reports.js";
import { allVerdicts, typingOf } from "./tables-errors.js";

export function goalsTable(reports: Reports): string {
  const rows: string[][] = [];
  const push = (what: string, goal: string, on: string, measured: string, met: boolean) =>
    rows.push([what, goal, on, measured, met ? "yes" : "**no**"]);
  for (const r of reports.tensors)
    for (const run of r.runs) {
      const { ratio, order, compare } = run;
      const tensorrt = r.environment.backend === "tensorrt";
      const [low, high, from, to] = tensorrt ? [0.9, 1.15, 0.97, 1.03] : [0.95, 1.05, 0.98, 1.02];
      const on = `${engineOf(r)}, ${r.model}, ${typingOf(run)}`;
      push(
        "mean error predicted / measured, 5 % to 95 %",
        `${low} to ${high}`,
        on,
        `${number(ratio.p5)} to ${number(ratio.p95)}`,
        ratio.p5 >= low && ratio.p95 <= high,
      );
      push("the same, median", `${from} to ${to}`, on, number(ratio.median), ratio.median >= from && ratio.median <= to);
      push(
        "Spearman, depth alone beside it",
        "above it",
        on,
        `${order.spearman.toFixed(4)}, ${order.null.toFixed(4)}`,
        order.spearman > order.null,
      );
      push(
        `marked run of ${compare.tensors} tensors, statistics included`,
        "3 s for 1,241",
        on,
        seconds(compare.seconds2),
        compare.seconds2 <= 3,
      );
    }
  const verdicts = allVerdicts(reports);
  if (verdicts.length > 0) {
    const same = verdicts.filter((v) => v.agrees).length;
    push(
      "verdict predicted = measured, pairs of model and tolerance",
      "all of at least 20",
      "all engines",
      `${same} of ${verdicts.length}`,
      same === verdicts.length && same >= 20,
    );
  }
  for (const r of reports.overhead)
    if (r.overhead !== undefined)
      for (const [how, over] of [
        ["spins", r.overhead.spinning],
        ["sleeps", r.overhead.addon],
      ] as const)
        push(
          `one request through the addon over a C++ program, event loop ${how}`,
          "5 % at most",
          `${engineOf(r)}, ${r.model}`,
          percent(over),
          over <= 0.05,
        );
  for (const r of reports.engines)
    for (const m of r.models.filter((m) => /faulty/.test(m.model))) {
      const [all, pinned] = ["all-half", "recommended"].map((role) => m.engines.find((e) => e.role === role));
      if (pinned?.measuredError === undefined) continue;
      const on = `${engineOf(r)}, ${m.model}`;
      push("recommended pins: error", `${m.tolerance} at most`, on, number(pinned.measuredError), pinned.measuredError <= m.tolerance);
      const over = all?.latency && pinned.latency ? pinned.latency.p50 / all.latency.p50 - 1 : undefined;
      if (over !== undefined) push("recommended pins: latency over all FP16's", "5 % at most", on, percent(over), over <= 0.05);
    }
  return table(["figure", "goal", "on", "measured", "met"], rows);
}
