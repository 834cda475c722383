import type { EngineRecord } from "@halfscope/core";
import { count, number, percent, plural } from "../format.js";
import { sentence, shortName } from "../names.js";
import { attentionPrices } from "./attention-price.js";
import { type DeviceView, type MeasuredSet, outcomeOf, priceOf } from "./device-view.js";
import { milliseconds, outcomeWords, roleWords } from "./device-words.js";

/** What a real engine said, in words, for every form of the report. */
export interface DeviceAnswer {
  /** yes: within the tolerance on the engine; no: not; unknown: nothing was measured that tells. */
  kind: "yes" | "no" | "unknown";
  headline: string;
  /** Errors and latency of the engines that matter, a sentence each. */
  detail: readonly string[];
  /** Whether the prediction agrees, a sentence each. */
  agreement: readonly string[];
  /** What must not be overlooked, a sentence each. */
  alarms: readonly string[];
}

export function deviceAnswerOf(d: DeviceView, word: "FP16" | "BF16"): DeviceAnswer {
  return { ...verdictOf(d, word), detail: detailOf(d, word), agreement: agreementOf(d, word), alarms: alarmsOf(d, word) };
}

/** One sentence for the first lines of a report: the engine's own verdict. */
export const deviceLine = (d: DeviceView, word: "FP16" | "BF16"): { text: string; loud: boolean } => {
  const a = deviceAnswerOf(d, word);
  // Short: the section behind it says the rest.
  const alarms = a.alarms.length < 2 ? a.alarms : [a.alarms[0] ?? "", `${plural(a.alarms.length - 1, "more warning")} below.`];
  return {
    // Figures of an engine whose FP16 is none would only mislead there.
    text: [`${placeOf(d)}: ${a.headline}`, ...(d.device.environment.capabilities.realHalf ? a.detail.slice(0, 1) : []), ...alarms].join(
      " ",
    ),
    loud: (a.kind === "no" && d.recommended !== undefined) || a.alarms.length > 0,
  };
};

export const placeOf = (d: DeviceView): string => shortName(d.place, 120);

function verdictOf(d: DeviceView, word: string): Pick<DeviceAnswer, "kind" | "headline"> {
  if (!d.device.environment.capabilities.realHalf)
    return { kind: "unknown", headline: `${word} is not real here: this engine computes ${word} operators in FP32.` };
  const { reference, recommended, allHalf } = d;
  if (reference?.failed !== undefined)
    return { kind: "unknown", headline: `No answer: the FP32 engine, with which all others are compared, could not be had.` };
  const chosen = recommended && outcomeOf(recommended, d.tolerance);
  if (recommended !== undefined && chosen !== undefined) {
    const what = recommended.pins.length === 0 ? `every layer in ${word}` : `the ${plural(recommended.pins.length, "recommended pin")}`;
    if (chosen === "within") return { kind: "yes", headline: `Yes: with ${what} the engine is within the tolerance.` };
    if (d.refined !== undefined)
      return {
        kind: "no",
        headline: `Not with ${what}; with ${d.refined.pins.length === 0 ? "no pins at all" : `another set, of ${plural(d.refined.pins.length, "pin")},`} the engine is within the tolerance.`,
      };
    return {
      kind: "no",
      headline: `No: with ${what} the engine is ${outcomeWords(chosen)}${chosen === "not-within" ? " the tolerance" : ""}.`,
    };
  }
  if (recommended?.failed !== undefined) {
    const what = recommended.pins.length === 0 ? `every layer in ${word}` : `the ${plural(recommended.pins.length, "recommended pin")}`;
    return { kind: "no", headline: `No: there is no engine with ${what}.` };
  }
  const half = allHalf && outcomeOf(allHalf, d.tolerance);
  if (half === undefined) return { kind: "unknown", headline: `No ${word} engine was compared with the FP32 engine.` };
  if (half === "within") return { kind: "yes", headline: `Yes: with every layer in ${word} the engine is within the tolerance.` };
  return {
    kind: "no",
    headline: `Not with every layer in ${word}: the engine is ${outcomeWords(half)}${half === "not-within" ? " the tolerance" : ""}.`,
  };
}

function detailOf(d: DeviceView, word: "FP16" | "BF16"): string[] {
  const said: string[] = [];
  const measured = [d.recommended, d.allHalf].filter((e): e is EngineRecord => e !== undefined && outcomeOf(e, d.tolerance) !== undefined);
  const [first, second] = measured;
  if (first !== undefined) {
    const phrase = (e: EngineRecord) =>
      outcomeOf(e, d.tolerance) === "not-finite" ? "the final outputs are not finite" : `the final outputs differ by ${number(e.error)}`;
    const other = second === undefined ? "" : `; with every layer in ${word} ${phrase(second)}`;
    const name =
      first.role === "recommended" && first.pins.length > 0 ? `With ${plural(first.pins.length, "pin")}` : `With every layer in ${word}`;
    const same = second !== undefined && first.pins.length === 0 && second.pins.length === 0;
    said.push(`${name} ${phrase(first)} from the FP32 engine's${same ? "" : other}; the tolerance is ${number(d.tolerance)}.`);
  }
  if (d.refined !== undefined) said.push(refinedPhrase(d, d.refined, word));
  const latency = latencyOf(d, word);
  if (latency !== undefined) said.push(latency);
  return [...said, ...attentionPrices(d, word)];
}

/** Fewer pins may be enough, or others are needed. */
function refinedPhrase(d: DeviceView, { pins, error, milliseconds: time }: MeasuredSet, word: string): string {
  const enough = d.recommended !== undefined && outcomeOf(d.recommended, d.tolerance) === "within";
  const what =
    pins.length === 0
      ? `No pins are needed on this engine: every layer in ${word}`
      : `${enough ? "Fewer are enough on this engine: " : "The other set: "}${plural(pins.length, "pin")}`;
  return `${what}, error ${number(error)}${time === undefined ? "" : `, ${milliseconds(time)}`}.`;
}

/** How long a request takes, and what pins and FP32 cost beside. Undefined where no such engine was timed. */
export function latencyOf(d: DeviceView, word: "FP16" | "BF16"): string | undefined {
  const own = (d.recommended?.latency ? d.recommended : d.allHalf)?.latency;
  if (own === undefined) return undefined;
  const half = d.allHalf?.latency;
  const full = d.reference?.latency;
  const parts: string[] = [];
  // Without pins the two engines are the same one, built twice.
  if (half !== undefined && half !== own && d.recommended?.pins.length !== 0) {
    const { share, noise } = priceOf(own, half);
    const more = Math.abs(share) < 5e-4 ? "as quick as" : `${percent(Math.abs(share))} ${share > 0 ? "slower" : "quicker"} than`;
    parts.push(`${more} with every layer in ${word} (${milliseconds(half.p50)}${noise ? ", which is no more than requests vary" : ""})`);
  }
  if (full !== undefined) {
    const factor = full.p50 / own.p50;
    parts.push(
      `${Number((factor >= 1 ? factor : 1 / factor).toPrecision(2))} times ${factor >= 1 ? "quicker" : "slower"} than FP32 (${milliseconds(full.p50)})`,
    );
  }
  return `A request takes ${milliseconds(own.p50)} (median)${parts.length === 0 ? "" : `: ${parts.join(", and ")}`}.`;
}

function agreementOf(d: DeviceView, word: "FP16" | "BF16"): string[] {
  const a = d.device.agreement;
  if (a === undefined) return [];
  const said: string[] = [];
  const agreed = a.verdicts.filter((v) => v.predicted === v.measured);
  if (a.verdicts.length > 0)
    said.push(
      agreed.length === a.verdicts.length
        ? `The prediction had said so: ${agreed.map((v) => `${roleWords(v.role, word)} ${number(v.predictedError)} predicted, ${number(v.measuredError)} on the engine`).join("; ")}.`
        : `Prediction and engine agree on ${count(agreed.length)} of ${plural(a.verdicts.length, "verdict")}.`,
    );
  if (a.ratio !== undefined)
    said.push(
      `Predicted over measured mean error of ${plural(a.ratio.tensors, "tensor")}: ${number(a.ratio.median)} in the median, ${number(a.ratio.p5)} to ${number(a.ratio.p95)} from 5 % to 95 %.`,
    );
  if (a.order !== undefined)
    said.push(
      `Their order by error over magnitude: Spearman ${a.order.spearman.toFixed(4)}; ${a.order.nullSpearman.toFixed(4)} for a predictor that knows magnitude and depth alone.`,
    );
  if (a.worst !== undefined && a.worst.of > 0)
    said.push(
      `Of the ${count(a.worst.of)} worst layers, ${count(a.worst.shared)} ${a.worst.shared === 1 ? "is" : "are"} the same on both sides.`,
    );
  return said;
}

const mostFailures = 3;

function alarmsOf(d: DeviceView, word: "FP16" | "BF16"): string[] {
  const alarms: string[] = [];
  if (!d.device.environment.capabilities.realHalf)
    alarms.push(`Errors and verdicts of these engines say nothing about a GPU: rely on the prediction, or measure on one.`);
  for (const v of d.contradictions)
    alarms.push(
      `Prediction and engine differ (${roleWords(v.role, word)}): ${outcomeWords(v.predicted)} was predicted (error ${number(v.predictedError)}), ${outcomeWords(v.measured)} was measured (${number(v.measuredError)}).`,
    );
  for (const e of d.failures.slice(0, mostFailures)) alarms.push(`The engine "${shortName(e.title, 80)}" ${sentence(e.failed ?? "")}`);
  if (d.failures.length > mostFailures) alarms.push(`${plural(d.failures.length - mostFailures, "more engine")} could not be had.`);
  const ignored = d.ignored.filter((i) => i.proof.outcome === "ignored");
  const layers = new Set(ignored.map((i) => i.proof.layer)).size;
  const by = new Set(ignored.map((i) => i.engine)).size;
  if (layers > 0)
    alarms.push(
      `${plural(layers, "pin")} ${layers === 1 ? "was" : "were"} ignored by ${by === 1 ? "an engine" : plural(by, "engine")}: computed in ${word} all the same.`,
    );
  const worst = d.fallbacks.toSorted((a, b) => b.nodes - a.nodes)[0];
  if (worst !== undefined)
    alarms.push(
      `${plural(worst.nodes, "node")} of ${count(worst.of)} ran on the CPU, not on the GPU: latency and rounding there are the CPU's.`,
    );
  return alarms;
}
