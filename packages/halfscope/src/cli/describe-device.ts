import type { Agreement, DeviceResult, EngineRecord } from "@halfscope/core";
import { deviceLines, proofWords, roleWords } from "@halfscope/report";
import { table } from "./table.js";
import { clip, given, number, percent, safe, wrap } from "./text.js";

const width = 120;
const shownPins = 10;
const shownReasons = 3;

/** What a real engine showed, for people. `said` is what they have read before: counts in it are not repeated. */
export function describeDevice(device: DeviceResult, tolerance: number, said = ""): string {
  const { environment: e } = device;
  const machine = [e.gpu, e.driver && `driver ${e.driver}`].filter((x) => x !== undefined).join(", ");
  const lines = [`On the real engine: ${safe(e.library)} ${safe(e.version)}${machine === "" ? "" : `, ${safe(machine)}`}`];
  if (!e.capabilities.realHalf)
    lines.push("NOT REAL FP16: this engine computes FP16 operators in FP32; its errors say nothing about a GPU.");
  const { latency, attentions, fallback, messages, hazards } = deviceLines(device, tolerance);
  lines.push(describeEngines(device.engines, tolerance));
  if (device.engines.some((r) => r.role === "guides"))
    lines.push("(Guides to FP16 advise to keep normalizations, Softmaxes and embeddings in FP32.)");
  const failures = device.engines.filter((r) => r.failed !== undefined).map((r) => `"${clip(safe(r.title))}" ${safe(r.failed ?? "")}`);
  lines.push(...[...failures, ...(latency === undefined ? [] : [latency]), ...attentions].map((l) => wrap(l, width)));
  lines.push(
    ...describeAgreement(device.agreement, device.engines.some((e) => e.half === "bfloat16") ? "BF16" : "FP16"),
    ...describeMarking(device),
    ...describePins(device),
    ...describeTrials(device, tolerance),
  );
  if (fallback !== undefined) {
    const known = said.replace(/\s+/g, " ").includes(fallback.count);
    lines.push(
      wrap(`${known ? "On the CPU" : fallback.count}: ${fallback.operators}. Shape arithmetic there is usual and harmless.`, width),
    );
  }
  lines.push(...[...(messages === undefined ? [] : [messages]), ...hazards].map((l) => wrap(clip(safe(l)), width)));
  lines.push(...describeNotCompared(device), ...describePartly(device), ...describeMissing(device));
  return lines.join("\n");
}

function describeEngines(engines: readonly EngineRecord[], tolerance: number): string {
  const attentions = engines.some((r) => (r.fusedAttentions ?? 0) > 0);
  return table(
    [
      "engine",
      "pins",
      "build s",
      "latency ms\np50",
      "p99",
      ...(attentions ? ["fused\nattentions"] : []),
      "error",
      `tolerance ${given(tolerance)}`,
    ],
    engines.map((r) => [
      clip(safe(r.title)),
      r.role === "reference" ? "-" : r.pins.length,
      r.buildSeconds.toFixed(1),
      number(r.latency?.p50),
      number(r.latency?.p99),
      ...(attentions ? [r.fusedAttentions ?? "-"] : []),
      r.role === "reference" ? "-" : number(r.error),
      outcomeWord(r),
    ]),
    { numeric: attentions ? [1, 2, 3, 4, 5, 6] : [1, 2, 3, 4, 5] },
  );
}

const words = { within: "within", "not-within": "NOT within", "not-finite": "NOT FINITE" } as const;
const outcomeWord = ({ outcome, failed }: EngineRecord): string =>
  failed !== undefined ? "NOT BUILT" : outcome === undefined ? "" : words[outcome];

/** Prediction against engine, in sentences. */
function describeAgreement(a: Agreement | undefined, word: "FP16" | "BF16"): string[] {
  if (a === undefined) return [];
  const wrong = a.verdicts.filter((v) => v.predicted !== v.measured);
  const lines = [
    wrong.length === 0
      ? `The emulation predicted all ${a.verdicts.length} verdicts.`
      : `The emulation predicted ${a.verdicts.length - wrong.length} of ${a.verdicts.length} verdicts; it was wrong about ${wrong.map((v) => `${roleWords(v.role, word)} (predicted ${number(v.predictedError)}, measured ${number(v.measuredError)})`).join(", ")}.`,
  ];
  const { ratio, order, worst } = a;
  if (ratio !== undefined)
    lines.push(
      [
        `Over ${ratio.tensors} tensors, predicted over measured mean error is ${ratio.median.toFixed(3)} in the middle, ${ratio.p5.toFixed(3)} to ${ratio.p95.toFixed(3)} for 9 of 10`,
        order &&
          `their order agrees with a Spearman of ${order.spearman.toFixed(4)} (magnitude and depth alone: ${order.nullSpearman.toFixed(4)})`,
        worst && `${worst.shared} of the ${worst.of} worst layers are the same`,
      ]
        .filter((x) => x !== undefined)
        .join("; ")
        .concat("."),
    );
  return lines.map((l) => wrap(l, width));
}

/** Final outputs that an engine's error is no measure of: what it is infinite for, or what it does not tell of. */
function describeNotCompared({ engines }: DeviceResult): string[] {
  const all = engines.flatMap(({ title, notCompared = [] }) => notCompared.map((n) => ({ title, ...n })));
  const shown = all
    .slice(0, shownReasons)
    .map(({ title, output, compared, of, reason }) =>
      wrap(
        `NOT COMPARED: output "${clip(safe(output))}" of "${clip(safe(title))}" in ${of - compared} of ${of} ${of === 1 ? "sample" : "samples"}: ${safe(reason)}.`,
        width,
      ),
    );
  return all.length > shownReasons ? [...shown, `... and ${all.length - shownReasons} more (see --json)`] : shown;
}

/** Tensors whose figures tell of fewer samples than the others'. */
const describePartly = ({ tensors = [] }: DeviceResult): string[] =>
  byReasons(
    "Compared in some samples only",
    tensors.flatMap(({ tensor, coverage }) => (coverage === undefined ? [] : [{ tensor, reason: coverage.reason }])),
  );

/** Tensors that the CPU compared and the engine does not show. */
const describeMissing = ({ notObserved = [] }: DeviceResult): string[] => byReasons("Not observed", notObserved);

/** The reasons that most tensors have. */
function byReasons(what: string, all: readonly { tensor: string; reason: string }[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const { tensor, reason } of all) byReason.set(reason, [...(byReason.get(reason) ?? []), tensor]);
  const most = [...byReason].sort((a, b) => b[1].length - a[1].length).slice(0, shownReasons);
  return most.map(([reason, [first = "", ...others]]) =>
    wrap(
      `${what}: "${clip(safe(first))}"${others.length > 0 ? ` and ${others.length} more` : ""}, because ${safe(reason).replace(/\.$/, "")}.`,
      width,
    ),
  );
}

/** What looking at tensors changed. */
function describeMarking({ marking = [] }: DeviceResult): string[] {
  const worst = marking.reduce<(typeof marking)[number] | undefined>(
    (a, b) => (a === undefined || Math.abs(b.markedError - b.unmarkedError) > Math.abs(a.markedError - a.unmarkedError) ? b : a),
    undefined,
  );
  if (worst === undefined) return [];
  return [
    wrap(
      `Marking tensors changed output "${clip(safe(worst.output))}" by at most ${number(worst.difference.maxAbs)}: over all samples together its error is ${number(worst.markedError)} with them marked and ${number(worst.unmarkedError)} without.`,
      width,
    ),
  ];
}

/** Where pins ended: in FP32 by themselves, in FP32 inside an engine layer that computes more, or not in FP32. */
function describePins({ engines, environment }: DeviceResult): string[] {
  // A file that was verified stands beside the reference alone.
  const recommended = engines.find((e) => e.role === "recommended") ?? (engines.length === 2 ? engines[1] : undefined);
  if (recommended === undefined || recommended.failed !== undefined || recommended.pins.length === 0) return [];
  const { proofs } = recommended;
  if (proofs === undefined)
    return [`${safe(environment.library)} does not show its layers: whether each pin took effect shows in the error alone.`];
  const parts = (["took-effect", "moved", "ignored", "unknown", "not-found"] as const).flatMap((outcome) => {
    const n = proofs.filter((p) => p.outcome === outcome).length;
    return n === 0 ? [] : [`${n} ${n === 1 ? "is" : "are"} ${whereWords[outcome]}`];
  });
  const share =
    recommended.halfTimeShare === undefined
      ? ""
      : `${percent(recommended.halfTimeShare)} of the engine's time is in layers that compute in FP16. `;
  const failed = proofs.filter((p) => p.outcome !== "took-effect").sort((a, b) => rank[a.outcome] - rank[b.outcome]);
  const pins = proofs.length === 1 ? "The pin" : `Of the ${proofs.length} pins`;
  const where = proofs.length === 1 ? (parts[0] ?? "").replace(/^1 /, " ") : `, ${parts.join(", ")}`;
  const counts = wrap(`${share}${pins}${where}${failed.length === 0 ? "." : ":"}`, width);
  if (failed.length === 0) return [counts];
  return [
    counts,
    table(
      ["pin", "outcome", "evidence"],
      failed.slice(0, shownPins).map((p) => [p.layer, proofWords(p.outcome), p.evidence]),
      { sentences: 2 },
    ),
    ...(failed.length > shownPins ? [`... and ${failed.length - shownPins} more (see --json)`] : []),
  ];
}

const whereWords = {
  "took-effect": "in FP32 on the engine",
  moved: "in FP32 in an engine layer with nodes that are not pinned",
  ignored: "ignored, computed in FP16 all the same",
  unknown: "in an engine layer that does not say what it computes in",
  "not-found": "found in no engine layer",
} as const;
const rank = { ignored: 0, "not-found": 1, unknown: 2, moved: 3, "took-effect": 4 } as const;

function describeTrials({ trials = [], refined }: DeviceResult, tolerance: number): string[] {
  const built = trials.filter((t) => t.why !== "no pins" && t.why !== "recommended on the CPU");
  const lines =
    built.length === 0
      ? []
      : [
          "Trials on the engine:",
          table(
            ["pins", "error", "ms", "why"],
            built.map((t) => [t.pins.length, t.failed === undefined ? number(t.error) : "NOT BUILT", number(t.milliseconds), t.why]),
            { numeric: [0, 1, 2], sentences: 3 },
          ),
        ];
  if (refined !== undefined)
    lines.push(
      refined.pins.length === 0
        ? `No pins are needed on this engine: all FP16 has an error of ${number(refined.error)} (tolerance ${given(tolerance)}).`
        : `${refined.pins.length} pins meet the tolerance on this engine (error ${number(refined.error)}): engine-overrides.json and engine-mixed.onnx hold them.`,
    );
  return lines;
}
