import type { EngineLayer } from "@halfscope/core";
import { isRegion } from "@halfscope/engine";

/** How libraries name kernels of a whole attention: `_gemm_mha_v2_0x3da8...`, `fmha_v2_flash_attention_fp16_...`, `fused_multihead_attention`. */
const kernel = /mha|fused.?(?:multi.?head.?)?attention|flash.?attention/i;
/** Names that a builder made up; others hold names of the model's own, where a module called "mha" says nothing about kernels. */
const generated = /^_\w*_myl\d+_\d+$/;

/**
 * Engine layers that compute an attention in one kernel: products, scaling, mask and Softmax, with no rounding to memory between. Undefined where a part of the graph
 * was compiled as one and does not tell its kernels (TensorRT 8.6).
 */
export const fusedAttentions = (layers: readonly EngineLayer[]): number | undefined =>
  layers.some(({ name }) => isRegion(name))
    ? undefined
    : layers.filter(
        ({ kind, tactic, name }) => kernel.test(kind) || kernel.test(tactic ?? "") || (generated.test(name) && kernel.test(name)),
      ).length;
