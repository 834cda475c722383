import { describe, expect, it } from "vitest";
import { kernelTypes, kernelTypesText } from "./kernel-types.js";

/** Names from inspector output of TensorRT 8 and 10, with what they stand for. */
const kernels: readonly (readonly [string, string | undefined])[] = [
  ["sm80_xmma_gemm_f16f16_f16f16_f16_nn_n_tilesize32x32x64_stage6_warpsize2x2x1_tensor16x8x16", "FP16, sums in FP16"],
  ["sm90_xmma_gemm_f16f16_f16f32_f32_nn_n_tilesize64x64x64_cgasize2x2x1_warpgroupsize1x1x1_beta0", "FP16, sums in FP32"],
  ["sm80_xmma_fprop_implicit_gemm_f32f32_f32f32_f32_nchwkcrs_nchw_tilesize32x32x8_stage3_warpsize1x2x1_g1_ffma_aligna4_alignc4", "FP32"],
  ["sm80_xmma_fprop_implicit_gemm_f32f32_tf32f32_f32_nhwckrsc_nhwc_tilesize128x64x32", "TF32, sums in FP32"],
  ["sm80_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize128x64x32", "BF16, sums in FP32"],
  ["sm50_xmma_cublas_smallN_NN_f32f32_f32_f32_nn_n_thread_count256threads_per_row16b_elems_per_thread2bias_or_reluTrue", "FP32"],
  ["sm53_xmma_cublas_smallN_TN_f16f16_f16_f16_tn_n_thread_count128threads_per_col4b_cols_per_thread2", "FP16, sums in FP16"],
  ["sm50_xmma_fprop_conv2d_c1_k1_f16f16_f16_f16_nchwkcrs_nchw_", "FP16, sums in FP16"],
  ["sm80_xmma_fprop_implicit_gemm_interleaved_i8f16_i8i32_f32_nchw_vect_c_32kcrs_vect_c_32_nchw_vect_c_32_tilesize256x64x64", "integers"],
  ["sm89_xmma_gemm_e4m3e4m3_e4m3f32_f32_tn_n_tilesize128x128x64", "FP8, sums in FP32"],
  ["sm50_xmma_conv_fprop_fused_conv_act_fp32_NCHW_fp32_NCHW_KCRS_fp32_fp32_fp32_Accfloat_1_1_cC1_dC1_srcVec4", "FP32"],
  ["sm50_xmma_convolution_depthwiseHMMA_FP16NHWCx8_TR3_TS3_STRIDEH1_STRIDEW1", "FP16"],
  ["sm70_xmma_convolution_depthwiseConv_fp32fp32_trt_kernel_fp32_TR3_TS3", "FP32"],
  ["sm50_xmma_pooling_fw_4d_FP16FP32NHWC_Max_CAlign8", "FP16, sums in FP32"],
  ["sm50_xmma_pooling_fw_4d_FP32FP32NCHW_Max", "FP32"],
  ["trt_turing_cutlass_image_network_first_layer_hmma_fprop_f16f16f32_nhwc_nhwc_k64r7s7c4_stride2x2", "FP16, sums in FP32"],
  ["ampere_h1688cudnn_128x128_ldg8_relu_exp_interior_nhwc_tn_v1", "FP16, sums in FP16"],
  ["volta_fp16_s884cudnn_fp16_256x64_ldg8_relu_exp_small_nhwc_tn_v1", "FP16, sums in FP32"],
  ["turing_fp16_s1688gemm_fp16_64x64_ldg8_f2f_tn", "FP16, sums in FP32"],
  ["volta_h884gemm_64x64_ldg8_nn", "FP16, sums in FP16"],
  ["cutlass_80_tensorop_s1688tf32gemm_64x64_32x6_nn_align4", "TF32, sums in FP32"],
  ["ampere_sgemm_32x32_sliced1x4_tn", "FP32"],
  ["volta_scudnn_128x64_relu_interior_nn_v1", "FP32"],
  ["maxwell_hgemm_64x64_nn", "FP16"],
  ["turing_int8_i8816cudnn_int8_128x128_ldg16_relu_medium_nt_v1", "integers"],
  ["ampere_fp32_icudnn_int8x4_128x64_relu_medium_nn_v1", "integers"],
  ["fmha_v2_flash_attention_fp16_64_64_S_64_sm80_kernel_nl", "FP16"],
  ["_gemm_mha_v2_0x3da8e75bbf66c61f6fd99e2ea65a2eb9", undefined],
  ["__myl_CasSubMul_0xfb4dcfd10859e3d8ead8e6616e41c7ca", undefined],
  ["__myl_Mul_0xbf16f16f16f16f32", undefined],
  ["something_0x1bf16f160e4", undefined],
  ["0x00000000000003e8", undefined],
  ["", undefined],
];

describe("kernelTypes", () => {
  it.each(kernels)("of %s is %s", (name, text) => {
    const types = kernelTypes(name);
    expect(types === undefined ? undefined : kernelTypesText(types)).toBe(text);
  });
});
