#pragma once

#include <napi.h>

#include <memory>

#include "tensorrt/runtime/task.h"

namespace halfscope::addon {

/// The JS class of long work: {cancel(), phases(): {name, steps, done}[], count()}
Napi::Function define_tensorrt_task(Napi::Env env);
/// tensorrtTask(): one of that class
Napi::Value tensorrt_task(const Napi::CallbackInfo& info);
/// What such an object stands for.
std::shared_ptr<trt::Task> task_of(const Napi::Value& value);

}  // namespace halfscope::addon
