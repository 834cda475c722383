#pragma once

#include <napi.h>

namespace halfscope::addon {

/// tensorrtDescribe(request): Promise<{inputs, outputs, layers, messages}>
Napi::Value tensorrt_describe(const Napi::CallbackInfo& info);
/// tensorrtBuild(request, task): Promise<{plan, timingCache, outputs, observed, notObserved, pinsNotFound, messages, seconds}>
Napi::Value tensorrt_build(const Napi::CallbackInfo& info);
/// tensorrtMergeCaches(one: Uint8Array, other: Uint8Array): Promise<Uint8Array>
Napi::Value tensorrt_merge_caches(const Napi::CallbackInfo& info);

}  // namespace halfscope::addon
