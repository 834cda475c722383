import type { DType, EngineTensor } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { castsInside, operatorsByType, operatorsOf } from "./generated-kernels.js";

const tensors = (...types: DType[]): EngineTensor[] => types.map((dtype, i) => ({ name: `t${i}`, dtype, dims: [1], format: "" }));
const half = tensors("float16");
const kernel = (name: string, inputs = half, outputs = half) => ({ name, inputs, outputs });

describe("generated kernels", () => {
  it("list their operators in the tactic's name or in the layer's", () => {
    expect(operatorsOf({ name: "__myl_CasSubMul_myl0_3" })).toEqual(["Cas", "Sub", "Mul"]);
    expect(operatorsOf({ name: "other", tactic: "__myl_AddMea_0xf2c5" })).toEqual(["Add", "Mea"]);
    expect(operatorsOf({ name: "_gemm_mha_v2_myl0_4", tactic: "_gemm_mha_v2_0x3d" })).toBeUndefined();
  });

  it("cast inside only where neither integers nor outputs account for it", () => {
    expect(castsInside(kernel("__myl_CasMeaSubMulCas_myl0_1"))).toBe(1);
    expect(castsInside(kernel("__myl_CasSubMul_myl0_3", tensors("int64", "float16")))).toBe(0);
    expect(castsInside(kernel("__myl_AddResTraCasCasCas_myl0_3", half, tensors("float16", "float32")))).toBe(0);
    expect(castsInside(kernel("__myl_AddDivCasErfCasAddMulMulCasCas_myl0_14", half, tensors("float32")))).toBe(2);
  });

  it("run what is between two casts in the other type (the GELU of BERT with marked tensors, TensorRT 10.6)", () => {
    const gelu = kernel(
      "__myl_AddDivCasErfCasAddMulMulCasCasCasCasCasCas_myl0_14",
      tensors("float16", "float16", "float16"),
      tensors("float16", "float32"),
    );
    expect(operatorsByType(gelu)).toEqual({ half: ["Add", "Div", "Add", "Mul", "Mul"], full: ["Erf"] });
  });

  it("run in FP32 from the first operator on where they cast first", () => {
    expect(operatorsByType(kernel("__myl_CasMeaSubMulMeaAddSqrDivCasMulAdd"))).toEqual({
      full: ["Mea", "Sub", "Mul", "Mea", "Add", "Sqr", "Div"],
      half: ["Mul", "Add"],
    });
  });

  it("turn integers into floats first, which changes no type", () => {
    const masked = kernel("__myl_CasSubMulDivAddMaxSubExpSumDivCasCas_myl0_7", tensors("float16", "float16", "int64"));
    expect(operatorsByType(masked)?.full).toEqual([]);
    const embedding = kernel("__myl_CasCasGatGatAddCasMeaSubCasMul", tensors("int64", "int32", "float16"));
    expect(operatorsByType(embedding)).toEqual({ half: ["Gat", "Gat", "Add", "Mul"], full: ["Mea", "Sub"] });
  });

  it("tell nothing where inputs are of both types", () => {
    expect(operatorsByType(kernel("__myl_AddMul", tensors("float16", "float32")))).toBeUndefined();
    expect(operatorsByType(kernel("gemm"))).toBeUndefined();
  });
});
