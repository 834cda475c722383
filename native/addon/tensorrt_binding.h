#pragma once

#include <napi.h>

#include "addon/addon_data.h"

namespace halfscope::addon {

/// What JavaScript sees of TensorRT; packages/engine/src/device/tensorrt/native.ts is the typed face. What there is: tensorrt_library.h; builds:
/// tensorrt_build.h; engines and comparisons: tensorrt_engine.h; work as seen from outside: tensorrt_task.h.
void define_tensorrt(Napi::Env env, Napi::Object exports, AddonData& data);

}  // namespace halfscope::addon
