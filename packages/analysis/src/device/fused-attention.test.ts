import type { EngineLayer } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { fusedAttentions } from "./fused-attention.js";

const layer = (name: string, kind = "kgen", tactic?: string): EngineLayer => ({
  ...{ name, kind, nodes: [], inputs: [], outputs: [], computes: "float16" },
  ...(tactic !== undefined && { tactic }),
});

describe("fused attentions", () => {
  it("are told by kernels and by names that a builder made up", () => {
    // As TensorRT 10.6 names them on an H200, and other versions elsewhere.
    const all = [
      layer("_gemm_mha_v2_myl0_4", "kgen", "_gemm_mha_v2_0x3da8e75bbf66c61f6fd99e2ea65a2eb9"),
      layer("_gemm_mha_v2_myl0_11"),
      layer("attention", "fusion", "fmha_v2_flash_attention_fp16_S_128_D_64_sm90"),
      layer("plugin", "fused_multihead_attention"),
    ];
    expect(all.map((l) => fusedAttentions([l]))).toEqual([1, 1, 1, 1]);
    expect(fusedAttentions(all)).toBe(4);
  });

  it("are no modules of the model that are called so, and no products beside them", () => {
    const all = [
      layer("/encoder/mha/query/MatMul + /encoder/mha/query/Add", "gemm", "sm90_xmma_gemm_f16f16_f16f32_f32_tn_n"),
      layer("/fused_attention/Softmax", "kgen", "__myl_MaxSubExpSumDiv"),
      layer("__myl_MaxSubExpSumDivCas_myl0_12", "kgen"),
    ];
    expect(fusedAttentions(all)).toBe(0);
  });

  it("are not counted where the kernels are not told", () => {
    expect(fusedAttentions([layer("attention", "fusion", "fmha_v2"), layer("{ForeignNode[a...b]}", "Myelin")])).toBeUndefined();
  });
});
