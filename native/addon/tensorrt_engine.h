#pragma once

#include <napi.h>

namespace halfscope::addon {

/// The JS class of engines, `NativeTensorRtEngine`: {io(), profiles(), memoryBytes(), messages(), run(), time(), profile(), inspect(), serialize(), dispose()}
Napi::Function define_tensorrt_engine(Napi::Env env);
/// tensorrtLoad(plan: Uint8Array, unfused: boolean): Promise<NativeTensorRtEngine>
Napi::Value tensorrt_load(const Napi::CallbackInfo& info);
/// tensorrtCompare(reference, profile, feed, candidate, profile, feed, names, task): Promise<{names, stats, notCompared, seconds}>
Napi::Value tensorrt_compare(const Napi::CallbackInfo& info);

}  // namespace halfscope::addon
