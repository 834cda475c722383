import type { EngineMessage, MessageKind } from "@halfscope/core";
import { type MessageRule, messageRules } from "./message-rules.js";

/** A line of an engine's log as its library gave it. */
export interface RawMessage {
  severity: EngineMessage["severity"] | "verbose";
  text: string;
}

/** Longer texts are cut: a fused region's name can list a thousand nodes. */
const longestText = 2000;

/**
 * What an engine's library said, each thing once, in the order of its first appearance: recognised (`message-rules.ts`), with the layers, nodes or weights it
 * names, and with how often it was said. Verbose lines are kept only where they name something recognised, as "info". TensorRT spreads some things over several
 * lines: the weights of "had the following issues" and of "List of affected weights" go to the issue, and what merely introduces one is left out.
 */
export function readMessages(raw: Iterable<RawMessage>): EngineMessage[] {
  const found = new Map<string, Collected>();
  let weight: string | undefined;
  let issue: Collected | undefined;
  for (const { severity, text } of raw) {
    const said = withoutPrefix(text);
    const named = /^Weights \[name=(.*)\] had the following issues when converted to/s.exec(said);
    if (named !== null) {
      weight = named[1];
      continue;
    }
    const affected = /List of affected weights:\s*(.*)$/s.exec(said);
    if (affected !== null && said.startsWith("List of affected weights")) {
      for (const name of listed(affected[1] ?? "")) issue?.names.add(name);
      continue;
    }
    if (said === "" || isIntroduction(said)) continue;
    const { kind, names } = recognise(said);
    if (severity === "verbose" && (kind === "other" || names.length === 0)) continue;
    const collected = collect(found, severity === "verbose" ? "info" : severity, kind, said);
    const isWeightIssue = kind === "weight-subnormal" || kind === "weight-underflow" || kind === "weight-overflow";
    for (const name of [
      ...names,
      ...(isWeightIssue && weight !== undefined ? [weight] : []),
      ...(affected === null ? [] : listed(affected[1] ?? "")),
    ])
      collected.names.add(name);
    if (isWeightIssue) issue = collected;
    else weight = undefined;
  }
  return [...found.values()].map(({ names, ...message }) => (names.size === 0 ? message : { ...message, names: [...names] }));
}

/** Messages of several builds or runs as one list. */
export function mergeMessages(lists: readonly (readonly EngineMessage[])[]): EngineMessage[] {
  const found = new Map<string, Collected>();
  for (const { severity, kind, text, count, names = [] } of lists.flat()) {
    const collected = collect(found, severity, kind, text);
    collected.count += count - 1;
    for (const name of names) collected.names.add(name);
  }
  return [...found.values()].map(({ names, ...message }) => (names.size === 0 ? message : { ...message, names: [...names] }));
}

/** Kind of one line, without its prefix, and the names in it. */
export function recognise(text: string): { kind: MessageKind; names: readonly string[] } {
  for (const rule of messageRules) {
    const match = rule.pattern.exec(text);
    if (match !== null) return { kind: rule.kind, names: namesOf(rule, match) };
  }
  return { kind: "other", names: [] };
}

interface Collected {
  severity: EngineMessage["severity"];
  kind: MessageKind;
  text: string;
  count: number;
  names: Set<string>;
}

function collect(found: Map<string, Collected>, severity: EngineMessage["severity"], kind: MessageKind, text: string): Collected {
  const key = `${severity}\n${kind}\n${sameSaying(kind, text)}`;
  const before = found.get(key);
  if (before !== undefined) {
    before.count++;
    return before;
  }
  const collected = {
    severity,
    kind,
    text: text.length > longestText ? `${text.slice(0, longestText)} ...` : text,
    count: 1,
    names: new Set<string>(),
  };
  found.set(key, collected);
  return collected;
}

/** Lines that differ in amounts of memory, or in the node they name, say the same. */
function sameSaying(kind: MessageKind, text: string): string {
  if (kind === "memory") return text.replaceAll(/0x[0-9a-f]+|\d+/gi, "#");
  if (kind === "cpu-fallback") return text.replace(/(node name|for node): ?.*/s, "");
  return text;
}

/** ONNX Runtime's "2026-01-02 03:04:05.678 [W:onnxruntime:, file.cc:12 Function] " and trtexec's "[01/02/2026-03:04:05] [W] [TRT] ", and dashes of lists. */
const withoutPrefix = (text: string): string =>
  text
    .replace(/^\s*\d{4}-\d\d-\d\d [\d:.]+ \[[A-Z]:onnxruntime:[^\]]*\]\s*/, "")
    .replace(/^\s*(?:\[[\d/:-]+\]\s*)?(?:\[[VIWEF]\]\s*)?(?:\[TRT\]\s*)?(?:\[[VIWEF]\]\s*)?/, "")
    .replace(/^\s*-\s+/, "")
    .trim();

/** Lines around those that say something. */
const isIntroduction = (text: string): boolean =>
  /^(TensorRT encountered issues when converting weights between types|If this is not the desired behavior, please modify the weights|Check verbose logs for the list of affected weights|Rerunning with verbose output on a non-minimal build)/.test(
    text,
  );

const listed = (text: string): string[] =>
  text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");

function namesOf({ names }: MessageRule, match: RegExpExecArray): readonly string[] {
  if (names === undefined) return [];
  const text = (match[1] ?? "").trim();
  if (text === "") return [];
  return names === "list" ? listed(text) : [text];
}
