import { basename, dirname } from "node:path";
import { UsageError } from "@halfscope/core";
import type { DeviceBuildRequest, OptimizationProfile } from "../backend.js";

/**
 * A build request in the words of ONNX Runtime's TensorRT provider. Types are the file's (FP16 by flag stays off), engines are not cached: what runs is what was
 * built. Several profiles follow one another in each list, as the provider reads them.
 */
export function tensorRtOptions({ profiles = [], options = {} }: DeviceBuildRequest): Record<string, string> {
  const { workspaceBytes, timingCache, optimizationLevel } = options;
  return {
    trt_fp16_enable: "0",
    trt_bf16_enable: "0",
    trt_int8_enable: "0",
    trt_engine_cache_enable: "0",
    ...(workspaceBytes !== undefined && { trt_max_workspace_size: String(workspaceBytes) }),
    ...(optimizationLevel !== undefined && { trt_builder_optimization_level: String(optimizationLevel) }),
    ...(timingCache !== undefined && timingCacheOptions(timingCache)),
    ...(profiles.length > 0 && {
      trt_profile_min_shapes: shapes(profiles, "min"),
      trt_profile_opt_shapes: shapes(profiles, "opt"),
      trt_profile_max_shapes: shapes(profiles, "max"),
    }),
  };
}

/** The provider is given a folder and chooses the file's name itself, one for each kind of GPU. */
const timingCacheOptions = (file: string): Record<string, string> => ({
  trt_timing_cache_enable: "1",
  trt_timing_cache_path: basename(file).includes(".") ? dirname(file) : file,
});

/** "input_ids:1x128,mask:1x128": the provider's form, which has no quotes. Throws UsageError ERR_PROFILE for names that cannot stand in it. */
function shapes(profiles: readonly OptimizationProfile[], which: "min" | "opt" | "max"): string {
  return profiles
    .flatMap(({ inputs }) =>
      Object.entries(inputs).map(([name, range]) => {
        if (/[:,]/.test(name))
          throw new UsageError(
            "ERR_PROFILE",
            `ONNX Runtime's TensorRT provider cannot take a profile for "${name}": names with ":" or "," have no form in its options.`,
          );
        return `${name}:${range[which].join("x")}`;
      }),
    )
    .join(",");
}
