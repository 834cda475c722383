#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "tensorrt/runtime/running.h"

namespace halfscope::addon {

/// A request under way, with what must live as long.
struct RequestUnderWay {
  std::shared_ptr<trt::RunningEngine> engine;
  std::shared_ptr<trt::PendingRequest> pending;
  std::vector<Napi::ObjectReference> kept;
};

/// The JS class of a request that is asked whether it is done: {poll(microseconds): {name, type, dims, data}[] | undefined}
Napi::Function define_tensorrt_request(Napi::Env env);
Napi::Value tensorrt_request(Napi::Env env, RequestUnderWay request);

}  // namespace halfscope::addon
