import type { Layer, Suggestion } from "@halfscope/core";
import type { Roundings } from "@halfscope/precision";

export interface RuleSuggestion {
  rule: Suggestion["rule"];
  layers: readonly string[];
  /** What the rule pins, in words. */
  meaning: string;
}

/** What every guide to FP16 says to keep in FP32, as sets of layers. The caller measures what each is worth. Rules without layers are left out. */
export function ruleSuggestions(layers: readonly Layer[], roundings: Roundings): RuleSuggestion[] {
  const ids = (...kinds: Layer["kind"][]) => layers.filter((l) => kinds.includes(l.kind)).map((l) => l.id);
  const norms = ids("layer-norm", "rms-norm");
  const embeddings = ids("embedding");
  // A gathered row is rounded when somebody computes with it in FP16: a pinned table changes nothing until its readers are pinned too.
  const readers = roundings.sites.filter((s) => s.kind === "weight" && embeddings.includes(s.layer ?? "")).flatMap((s) => s.touching);
  const softmax = ids("softmax", "attention-scores");
  const rules: RuleSuggestion[] = [
    { rule: "layer-norm", layers: norms, meaning: `Pins ${norms.length} normalization layers.` },
    { rule: "softmax", layers: softmax, meaning: `Pins ${softmax.length} layers: Softmax and the scores in front of it.` },
    {
      rule: "embedding",
      layers: [...new Set([...embeddings, ...readers])],
      meaning: `Pins ${embeddings.length} embeddings and what adds them up.`,
    },
    { rule: "residual-add", layers: ids("residual-add"), meaning: "Pins the additions of the residual stream." },
    { rule: "output-head", layers: ids("output-head"), meaning: "Pins the output head." },
  ];
  return rules.filter((r) => r.layers.length > 0);
}
