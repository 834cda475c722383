/** The engines of one model that are worth a look, as pins and typing. */
import { readFile } from "node:fs/promises";
import { ruleSuggestions } from "@halfscope/analysis";
import type { EngineRole, Typing } from "@halfscope/core";
import { planFromOverrides } from "@halfscope/precision";
import { compareStep, recommendStep, sweepStep } from "halfscope";
import type { Studied } from "./studied.js";

export interface Setting {
  role: EngineRole;
  title: string;
  typing: Typing;
  /** Layers kept in FP32. */
  pins: readonly string[];
}

export interface SettingsOptions {
  typings: readonly Typing[];
  /** A file that names the recommended pins; found by a sweep when absent. */
  overrides: string | undefined;
  tolerance: number;
  /** Each rule of the guides by itself, too. */
  rules: boolean;
}

/** All FP16, what halfscope recommends, and what guides to FP16 advise. Sets that equal one before them are left out, with a word. */
export async function settingsOf(studied: Studied, o: SettingsOptions): Promise<{ settings: Setting[]; recommended: readonly string[] }> {
  const recommended = o.overrides === undefined ? await findPins(studied, o.tolerance) : await pinsOfFile(studied, o.overrides);
  const seen = new Set<string>();
  const settings = (await settingsFor(studied, { ...o, recommended })).filter(({ title, typing, pins }) => {
    const key = JSON.stringify([typing, [...pins].sort()]);
    if (seen.has(key)) console.error(`${studied.name}: "${title}" (${typing}) has the pins of an engine before it; not built again.`);
    return !seen.has(key) && seen.add(key);
  });
  return { settings, recommended };
}

/** The same for pins that are known, none left out. */
export async function settingsFor(
  studied: Studied,
  o: Pick<SettingsOptions, "typings" | "rules"> & { recommended: readonly string[] },
): Promise<Setting[]> {
  const { bench } = studied;
  const { recommended } = o;
  const rules = ruleSuggestions(bench.layers, (await bench.subject()).roundings);
  const advised = await advisedPins(studied);
  const sets: (Omit<Setting, "typing"> & { typings: readonly Typing[] })[] = [
    { role: "all-half", title: "all FP16", pins: [], typings: o.typings },
    { role: "recommended", title: `recommended (${recommended.length} pins)`, pins: recommended, typings: o.typings },
    { role: "guides", title: "as guides advise: normalizations, scores and Softmax in FP32", pins: advised, typings: o.typings },
    ...(o.rules
      ? rules.map((r) => ({ role: "trial" as const, title: `rule: ${r.rule}`, pins: r.layers, typings: o.typings.slice(0, 1) }))
      : []),
  ];
  return sets.flatMap(({ typings, ...set }) => typings.map((typing) => ({ ...set, typing })));
}

/** What guides to FP16 advise for every model: normalizations, attention scores and Softmax in FP32. */
export async function advisedPins({ bench }: Studied): Promise<string[]> {
  const rules = ruleSuggestions(bench.layers, (await bench.subject()).roundings);
  return rules.filter((r) => r.rule === "layer-norm" || r.rule === "softmax").flatMap((r) => r.layers);
}

async function pinsOfFile({ bench }: Studied, path: string): Promise<string[]> {
  return planFromOverrides(await readFile(path, "utf8"), { digest: bench.model.digest, layers: bench.layers }, path).pins.map(
    (p) => p.layer,
  );
}

/** As `halfscope debug --adaptive` finds them. */
export async function findPins({ bench }: Studied, tolerance: number): Promise<string[]> {
  const compared = await compareStep(bench);
  const sensitivity = await sweepStep(bench, compared.basePins, { adaptive: true, tolerance });
  const { overrides } = await recommendStep(bench, sensitivity, compared.basePins, tolerance);
  return overrides.pins.map((p) => p.layer);
}
