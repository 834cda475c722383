import type { Subject } from "@halfscope/analysis";
import { type DType, halfWords, InputError } from "@halfscope/core";
import { subgraphsOf } from "@halfscope/onnx";
import type { RestoredPlan } from "@halfscope/precision";

/** Refuses models of which a comparison would say "no difference" because it can see nothing. Throws ERR_MODEL_NO_FLOAT, ERR_MODEL_UNSUPPORTED. */
export function requireComparable({ model, view, types, roundings }: Subject): void {
  const computed = [...view.producer.keys()].map((t): DType => types.get(t)?.dtype ?? "unknown");
  if (computed.includes("float32") && roundings.sites.length > 0) return;
  const [fixed] = roundings.floats.fixedNodes;
  const nested = [...view.order].some((n) => subgraphsOf(n).length > 0) || model.functions.length > 0;
  const word = halfWords[roundings.floats.type];
  const hint = computed.includes("float16")
    ? "It is in FP16 already: give the FP32 original as the model, and this file to `halfscope verify` as its candidate."
    : nested
      ? "Subgraphs and local functions stay in FP32 in this version: inline them (onnx.inliner, or a new export) and try again."
      : roundings.floats.type === "bfloat16" && (model.opsets.get("") ?? 13) < 13
        ? "ONNX has bfloat16 from opset 13 on: convert the model with onnx.version_converter, or export it anew."
        : `${word} changes nothing in this model.`;
  if (!computed.includes("float32")) {
    const found = [...new Set(computed)].map((d) => `${computed.filter((c) => c === d).length} ${d}`).join(", ");
    throw new InputError("ERR_MODEL_NO_FLOAT", `${model.path} computes no float32 tensor to compare, only ${found || "none at all"}.`, {
      hint,
    });
  }
  const why = fixed === undefined ? "" : `; ${view.nodes[fixed[0]]?.opType ?? "a node"}, for one, cannot: ${fixed[1]}`;
  throw new InputError("ERR_MODEL_UNSUPPORTED", `No node in the main graph of ${model.path} can run in ${word}${why}.`, { hint });
}

/** What a person must know before relying on a measurement: parts of the model that stayed in FP32 in it. */
export function warningsOf({ view, roundings }: Subject): string[] {
  const { fixedNodes } = roundings.floats;
  const byReason = new Map<string, number[]>();
  for (const [node, reason] of fixedNodes) byReason.set(reason, [...(byReason.get(reason) ?? []), node]);
  return [...byReason].map(([reason, nodes]) => {
    const types = [...new Set(nodes.map((n) => view.nodes[n]?.opType ?? ""))].slice(0, 5).join(", ");
    return `${nodes.length} of ${view.nodes.length} nodes stay in FP32 whatever is pinned (${types}): ${reason}.`;
  });
}

/** What a comparison of a file that is in FP16 or bfloat16 already says, and what it cannot say. */
export function restorationWarnings(path: string, { differences, pins, planDifferences }: RestoredPlan, word = "FP16"): string[] {
  const some = (uses: readonly string[]) => `${uses.slice(0, 2).join(", ")}${uses.length > 2 ? ", ..." : ""}`;
  const warnings = [
    `${path} is in ${word} already: it is emulated as it is and compared with its FP32 restoration. What rounding its weights once cost only a comparison with the FP32 original shows: halfscope verify ORIGINAL ${path}.`,
  ];
  if (differences.length > 0)
    warnings.push(`${differences.length} uses of tensors are rounded otherwise than in the file (${some(differences)}).`);
  if (pins.length > 0 || planDifferences.length > 0)
    warnings.push(
      `A search for pins starts from ${pins.length === 1 ? "the layer" : `the ${pins.length} layers`} that the file keeps in FP32.${planDifferences.length > 0 ? ` ${planDifferences.length} roundings that the file has inside layers of both precisions are not part of it (${some(planDifferences)}).` : ""}`,
    );
  return warnings;
}
