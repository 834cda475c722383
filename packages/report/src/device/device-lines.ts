import type { DeviceResult, EngineMessage, Hazard, HazardCode, MessageKind } from "@halfscope/core";
import { count, plural } from "../format.js";
import { sentence, shortName } from "../names.js";
import { hazardWords } from "../sections/section.js";
import { attentionPrices } from "./attention-price.js";
import { latencyOf } from "./device-answer.js";
import { deviceViewOf, type Fallback } from "./device-view.js";
import { isLoud, messageKinds, messageWords, wordOfKey } from "./device-words.js";

/** What a terminal shows of an engine beside its table: the page's figures, a sentence each. */
export interface DeviceLines {
  /** Of the engine that would serve. */
  latency: string | undefined;
  /** What pins inside of fused attentions cost. */
  attentions: readonly string[];
  /** Nodes that the device does not run: how many, and which operators. */
  fallback: { count: string; operators: string } | undefined;
  /** What the library's log holds, by kind. */
  messages: string | undefined;
  /** Hazards that it names, by kind, with what to do. */
  hazards: readonly string[];
}

export function deviceLines(device: DeviceResult, tolerance: number): DeviceLines {
  const view = deviceViewOf({ device }, tolerance);
  const word = device.engines.some((e) => e.half === "bfloat16") ? "BF16" : "FP16";
  // Times of an engine whose FP16 is none say nothing about one whose is.
  const real = device.environment.capabilities.realHalf;
  const worst = view?.fallbacks.toSorted((a, b) => b.nodes - a.nodes)[0];
  return {
    latency: view && real ? latencyOf(view, word) : undefined,
    attentions: view ? attentionPrices(view, word) : [],
    fallback: worst && fallbackLine(worst),
    messages: messagesLine(device),
    // Nodes on the CPU are told of by count and name already.
    hazards: hazardLines((device.hazards ?? []).filter((h) => worst === undefined || h.code !== "engine-fallback")),
  };
}

const mostOperators = 6;

function fallbackLine({ nodes, of, operators }: Fallback): DeviceLines["fallback"] {
  const sorted = Object.entries(operators).toSorted((a, b) => b[1] - a[1]);
  const named = sorted.slice(0, mostOperators).map(([name, n]) => `${shortName(name, 40)}${n === 1 ? "" : ` (${count(n)})`}`);
  const more = sorted.length > named.length ? ` and ${plural(sorted.length - named.length, "more kind")}` : "";
  return { count: `${plural(nodes, "node")} of ${count(of)} ran on the CPU`, operators: `${named.join(", ")}${more}` };
}

/** Kinds that may change numbers or time first. What is of no kind is counted only. */
function messagesLine({ engines, environment }: DeviceResult): string | undefined {
  const kinds = new Map<MessageKind, { texts: Set<string>; loud: boolean }>();
  let others = 0;
  const seen = new Set<string>();
  for (const m of engines.flatMap((e) => e.messages)) {
    const key = JSON.stringify([m.severity, m.kind, m.text]);
    if (seen.has(key)) continue;
    seen.add(key);
    if (isPlain(m)) {
      others++;
      continue;
    }
    const known = kinds.get(m.kind) ?? { texts: new Set<string>(), loud: false };
    known.texts.add(key);
    kinds.set(m.kind, { texts: known.texts, loud: known.loud || isLoud(m) });
  }
  if (kinds.size === 0) return undefined;
  const place = (kind: MessageKind) => messageKinds.indexOf(kind);
  const said = [...kinds]
    .toSorted((a, b) => Number(b[1].loud) - Number(a[1].loud) || place(a[0]) - place(b[0]))
    .map(([kind, { texts }]) => `${kind === "other" ? "warnings of no known kind" : messageWords(kind)} (${count(texts.size)})`);
  return `In the log of ${shortName(environment.library, 60)}, by kind: ${said.join(", ")}${others > 0 ? `; ${plural(others, "line")} of chatter` : ""}.`;
}

const isPlain = (m: EngineMessage): boolean => (m.kind === "other" || m.kind === "memory") && m.severity === "info";

function hazardLines(hazards: readonly Hazard[]): string[] {
  const codes = new Map<HazardCode, Hazard[]>();
  for (const h of hazards) codes.set(h.code, [...(codes.get(h.code) ?? []), h]);
  return [...codes].map(([code, list]) => {
    const layers = [...new Set(list.map((h) => h.layer))].filter((l) => l !== "");
    const where =
      layers.length === 0
        ? ""
        : ` in ${shortName(layers[0] ?? "")}${layers.length > 1 ? ` and ${plural(layers.length - 1, "more layer")}` : ""}`;
    return `Hazard that it names: ${wordOfKey(hazardWords, code)}${where}. ${sentence(list[0]?.fix ?? "")}`;
  });
}
