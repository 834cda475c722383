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

/** What a rule is worth here, in words. `ours` are the recommended pins, when they are known. */
export function ruleVerdict(r: { without: number; withRule: number; tolerance: number; meaning: string }): string {
  const { without, withRule, tolerance, meaning } = r;
  const gone = Number.isFinite(without) && without > 0 ? 1 - withRule / without : Number.isFinite(withRule) ? 1 : 0;
  const percent = `${(100 * gone).toFixed(gone < 0.1 ? 1 : 0)} %`;
  if (!Number.isFinite(without) && Number.isFinite(withRule)) return `Needed: without it the outputs are not finite. ${meaning}`;
  if (without > tolerance && withRule <= tolerance)
    return `Enough by itself: it removes ${percent} of the error and meets the tolerance. ${meaning}`;
  if (gone > 0.1)
    return without <= tolerance
      ? `Not needed: the tolerance is met without it, though it removes ${percent} of the error. ${meaning}`
      : `Helps: it removes ${percent} of the error, not enough by itself. ${meaning}`;
  if (gone < -0.005) return `Makes it worse here: the error grows by ${(-100 * gone).toFixed(1)} %. ${meaning}`;
  if (gone > 0.005) return `Not needed: it makes little difference here, ${percent} of the error. ${meaning}`;
  return `Not needed: it makes no difference here. ${meaning}`;
}

/** How somebody's set of pins stands beside the recommended one. */
export function likeVerdict(
  theirs: { error: number; pins: number; fp32Share: number; unmatched?: readonly string[] | undefined },
  ours: { error: number; pins: number; fp32Share: number; meets: boolean },
  tolerance: number,
): string {
  const share = (x: number) => `${(100 * x).toPrecision(2)} %`;
  const set = (s: { error: number; pins: number; fp32Share: number }) =>
    `${s.pins} ${s.pins === 1 ? "pin" : "pins"}, ${share(s.fp32Share)} of the work, ${Number.isFinite(s.error) ? `error ${s.error.toPrecision(3)}` : "outputs not finite"}`;
  const within = theirs.error <= tolerance;
  const stands = `${within ? "Meets" : "Does not meet"} the tolerance of ${tolerance} (${set(theirs)})`;
  const without = theirs.unmatched?.length ? ` The model has nothing like ${theirs.unmatched.join(", ")}.` : "";
  if (within && ours.meets && ours.pins === 0) return `${stands}, but is not needed: no pin is.${without}`;
  const word =
    within && ours.meets
      ? ours.fp32Share <= theirs.fp32Share && ours.pins <= theirs.pins
        ? "the recommended set does so for less"
        : ours.fp32Share > theirs.fp32Share
          ? "at less work than the recommended set"
          : "with fewer pins than the recommended set"
      : "the recommended set";
  return `${stands}; ${word}: ${set(ours)}.${without}`;
}
