#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "tensorrt/runtime/running.h"

namespace halfscope::addon {

/// The JS class of a request that is asked whether it is done: {poll(microseconds): {name, type, dims, data}[] | undefined}
Napi::Function define_tensorrt_request(Napi::Env env);
Napi::Value tensorrt_request(Napi::Env env, const std::shared_ptr<trt::PendingRequest>& pending);

/// Has a thread of libuv's pool wait for a request, and `kept` live as long. Node waits for that pool where a worker thread or the process ends, and only then gives back
/// the memory that the engine's own thread reads and writes; references alone do not keep it until then.
void guard_request(Napi::Env env, std::shared_ptr<trt::RunningEngine> engine, std::shared_ptr<trt::PendingRequest> pending, std::vector<Napi::ObjectReference> kept);

}  // namespace halfscope::addon
