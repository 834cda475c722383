import type { TensorTypes } from "@halfscope/core";
import { type GraphView, type Node, reductionLength } from "@halfscope/onnx";
import type { EngineProfile } from "./engine-profile.js";
import { overflowThreshold } from "./half.js";

/** What an engine computes wrongly in FP16: a mean divided by a count that FP16 cannot hold; running sums kept in FP16. */
export type EngineFault = "mean-count" | "running-sum";

/** Why a node must stay in FP32 on an engine although FP16 has the operator; undefined for others. */
export function engineFaults(
  profile: EngineProfile,
  { view, types }: { view: GraphView; types: TensorTypes },
): (node: Node) => string | undefined {
  const faults = new Set(profile.faults);
  const dims = (t: string) => types.get(t)?.dims ?? view.initializers.get(t)?.dims;
  return (node) => {
    if (faults.has("running-sum") && node.domain === "" && node.opType === "CumSum") return `${profile.name} adds up in FP16`;
    if (!faults.has("mean-count") || node.domain !== "" || node.opType !== "ReduceMean") return undefined;
    const length = reductionLength(view, node, dims)?.length ?? 0;
    return length >= overflowThreshold ? `${profile.name} divides the sum by ${length}, which is infinite in FP16` : undefined;
  };
}
