import type { Hazard, Severity } from "@halfscope/core";
import { handSoftmaxes } from "@halfscope/onnx";
import { format, formatNear, type HazardOptions, layerOf, magnitudeOf, severityOfMagnitude, staysFull, worse } from "./context.js";

/** exp(x) passes 65504 from here on: ln 65504 = 11.0899. */
export const largestExponent = Math.log(65504);

/** Softmax and log-sum-exp written as Exp, ReduceSum and a quotient or logarithm. */
export function handSoftmaxHazards(o: HazardOptions): Hazard[] {
  return handSoftmaxes(o.view)
    .filter((h) => !staysFull(o, h.exp))
    .map(({ exp, sum, shifted, kind, input }): Hazard => {
      const powers = exp.outputs[0] ?? "";
      const measured = [powers, sum.outputs[0] ?? ""].flatMap((t) => o.range?.(t) ?? []).map(magnitudeOf);
      const largest = measured.length === 0 ? undefined : Math.max(...measured);
      const raised = o.range?.(exp.inputs[0] ?? "")?.max;
      // With the maximum subtracted, exp gives at most 1 and only a sum over more than 65504 numbers could overflow.
      const unmeasured: Severity = shifted ? "info" : "warning";
      const severity = largest === undefined ? unmeasured : worse(severityOfMagnitude(largest) ?? "info", "info");
      const name = kind === "softmax" ? "softmax" : "logarithm of a sum of exponentials";
      const how = shifted
        ? "subtracts the maximum first, so that exp gives at most 1"
        : "subtracts no maximum first: exp overflows in FP16 where its argument passes 11.09";
      return {
        code: "decomposed-softmax",
        severity,
        layer: layerOf(o, exp),
        tensor: powers,
        evidence:
          `A ${name} written in single nodes ${how}` +
          (largest === undefined
            ? "."
            : `; exp or its sum reaches ${formatNear(largest)}${raised === undefined ? "" : ` (argument at most ${format(raised)})`}, FP16 ends at 65504.`),
        fix: shifted
          ? "Write it as one Softmax node, which engines compute in FP32; usually nothing needs to be done."
          : `Write it as one ${kind === "softmax" ? "Softmax" : "ReduceLogSumExp or LogSoftmax"} node, or subtract the maximum of "${input}" first; otherwise pin this layer.`,
        values: {
          shifted: shifted ? 1 : 0,
          ...(largest !== undefined && { largest }),
          ...(raised !== undefined && { maxArgument: raised }),
        },
      };
    });
}
