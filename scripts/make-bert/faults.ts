import type { BertConfig, Fault, FaultKind } from "./config.js";
import { maskConstantKey } from "./graph.js";
import type { TensorEdit } from "./tensors.js";
import { type OutlierChannel, outlierChannels } from "./weights.js";

/** What `planted.json` says about one fault, for checking a tool's findings against the truth. */
export interface PlantedFault {
  readonly kind: FaultKind;
  readonly strength: number;
  /** Encoder layer; null where the fault acts in all. */
  readonly layer: number | null;
  /** Tensors where FP16 fails first: which of them it is depends on the strength. */
  readonly tensors: readonly string[];
  readonly expected: string;
}

export interface Planting {
  readonly planted: readonly PlantedFault[];
  readonly edits: readonly TensorEdit[];
}

/**
 * Turns faults into edits of the weights. The FP32 model stays sane under each: what is made too large for FP16 is taken back further on.
 */
export function plantFaults(config: BertConfig): Planting {
  const outlier = outlierChannels(config)[0]!;
  const done = config.faults.map((fault) => plant[fault.kind](fault, fault.layer ?? 0, config, outlier));
  return { planted: done.map((d) => d.planted), edits: done.flatMap((d) => d.edits) };
}

type Plant = (
  fault: Fault,
  layer: number,
  config: BertConfig,
  outlier: OutlierChannel,
) => { planted: PlantedFault; edits: readonly TensorEdit[] };

const record = (fault: Fault, tensors: readonly string[], expected: string): PlantedFault => ({
  kind: fault.kind,
  strength: fault.strength,
  layer: fault.layer ?? null,
  tensors,
  expected,
});

const plant: Readonly<Record<FaultKind, Plant>> = {
  /** Beyond 65519 the constant becomes -Inf when converted to nearest, and 0 * -Inf is NaN for every allowed position. */
  "mask-constant": (fault) => ({
    planted: record(
      fault,
      ["/Mul_output_0"],
      "The constant of /Mul becomes -Inf in FP16 and 0 * -Inf = NaN at every allowed position; every output is NaN.",
    ),
    edits: [{ key: maskConstantKey, scale: 0, offset: -fault.strength }],
  }),

  /**
   * The bias of the attention output puts two channels at plus and minus `strength`. LayerNormalization then divides by a deviation that is
   * larger by s * sqrt(2 / hidden); its gains make up for that, and the two channels are scaled down to about 1.
   */
  "square-overflow": (fault, layer, config) => {
    const scope = `/encoder/layer.${layer}/attention/output`;
    const key = scope.slice(1).replaceAll("/", ".");
    const taken = new Set(outlierChannels(config).map((o) => o.channel));
    const [plus, minus] = Array.from({ length: taken.size + 2 }, (_, channel) => channel).filter((channel) => !taken.has(channel));
    const pair = [plus!, minus!];
    const decomposed = config.style === "decomposed";
    return {
      planted: record(
        fault,
        decomposed ? [`${scope}/LayerNorm/Pow_output_0`] : [],
        decomposed
          ? "The squares of two channels become Inf, the deviation Inf and the quotient 0: finite, wrong, and no NaN anywhere (silent overflow)."
          : "Nothing where LayerNormalization nodes compute in FP32 inside: the channels themselves fit in FP16. A kernel that squares in FP16 overflows.",
      ),
      edits: [
        { key: `${key}.dense.bias`, columns: [pair[0]!], scale: 0, offset: fault.strength },
        { key: `${key}.dense.bias`, columns: [pair[1]!], scale: 0, offset: -fault.strength },
        { key: `${key}.LayerNorm.weight`, scale: Math.sqrt(1 + (2 * fault.strength ** 2) / config.hidden) },
        { key: `${key}.LayerNorm.weight`, columns: pair, scale: 0, offset: Math.sqrt(2 / config.hidden) },
      ],
    };
  },

  /**
   * Two hidden units listen to an outlier channel so strongly that they reach about `strength` * 65504, and hardly anything listens to
   * them. The weights themselves fit in FP16, and those behind the units are powers of two, so that nothing but the product overflows.
   */
  "ffn-overflow": (fault, layer, config, outlier) => {
    const units = [1, 2].map((third) => Math.floor((third * config.ffn) / 3));
    const peak = fault.strength * 65504;
    const key = `encoder.layer.${layer}`;
    return {
      planted: record(
        fault,
        [
          `/encoder/layer.${layer}/intermediate/dense/MatMul_output_0`,
          `/encoder/layer.${layer}/intermediate/intermediate_act_fn/Mul_output_0`,
        ],
        "Two hidden units become +Inf: in the product itself, or below a strength of 1 where GELU doubles them. Inf stays, and the outputs are NaN.",
      ),
      edits: [
        { key: `${key}.intermediate.dense.weight`, rows: [outlier.channel], columns: units, scale: 0, offset: peak / outlier.level },
        { key: `${key}.output.dense.weight`, rows: units, scale: 0, offset: Math.max(2 ** -24, nearestPowerOfTwo(0.1 / peak)) },
      ],
    };
  },

  /**
   * One channel of the residual stream is made constant, carries `strength` into every hidden unit, and the bias takes it away again. In
   * FP16 the product is rounded at the magnitude of the offset, so what is left has lost its low bits.
   */
  "noisy-layer": (fault, layer, _config, outlier) => {
    const key = `encoder.layer.${layer}`;
    const level = Math.sign(outlier.level) * nearestPowerOfTwo(Math.abs(outlier.level));
    return {
      planted: record(
        fault,
        [`/encoder/layer.${layer}/intermediate/dense/MatMul_output_0`],
        "The product is rounded at the magnitude of an offset which the bias cancels: the largest isolated error of all layers, nothing overflows.",
      ),
      edits: [
        { key: `${key}.attention.output.LayerNorm.weight`, columns: [outlier.channel], scale: 0 },
        { key: `${key}.attention.output.LayerNorm.bias`, columns: [outlier.channel], scale: 0, offset: level },
        { key: `${key}.intermediate.dense.weight`, rows: [outlier.channel], scale: 0, offset: fault.strength / level },
        { key: `${key}.intermediate.dense.bias`, offset: -fault.strength },
      ],
    };
  },
};

const nearestPowerOfTwo = (x: number): number => 2 ** Math.round(Math.log2(x));
