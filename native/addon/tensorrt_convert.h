#pragma once

#include <napi.h>

#include <vector>

#include "tensorrt/face.h"
#include "tensorrt/runtime/tensor.h"

namespace halfscope::addon {

trt::BuildRequest to_build_request(const Napi::Object& options);
/// Reads the typed arrays in place: the caller keeps them. [{name, type, dims, data}]
trt::Feed to_feed(const Napi::Value& list);

Napi::Value to_js(Napi::Env env, const std::vector<trt::Message>& messages);
Napi::Value to_js(Napi::Env env, const std::vector<trt::NotObserved>& list);
Napi::Value to_js(Napi::Env env, const std::vector<trt::IoTensor>& list);
Napi::Value to_js(Napi::Env env, const trt::NetworkDescription& description);
Napi::Value to_js(Napi::Env env, trt::BuildOutcome outcome);
Napi::Value to_js(Napi::Env env, std::vector<trt::HostTensor> tensors);

}  // namespace halfscope::addon
