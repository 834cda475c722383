#pragma once

#include <napi.h>

#include "tensorrt/face.h"

namespace halfscope::addon {

// What there is on this machine, without a build or a run.

/// tensorrtModules(): {modules: {major, headers, path}[], failures: string[]}
Napi::Value tensorrt_modules(const Napi::CallbackInfo& info);
/// tensorrtLibrary(folder): {version, path, major, headers, capabilities}
Napi::Value tensorrt_library(const Napi::CallbackInfo& info);
/// cudaDevice(): {name, computeCapability, memoryBytes, processors, cuda, driver}
Napi::Value cuda_device(const Napi::CallbackInfo& info);
/// cudaClocks(): Promise<{smMHz, memoryMHz, powerWatts?, temperatureC?, throttle} | undefined>, of that device
Napi::Value cuda_clocks(const Napi::CallbackInfo& info);

/// For work on another thread: TensorRT as tensorrtLibrary() opened it, and the GPU becomes that thread's. TensorRT ends the process where it finds no GPU;
/// this throws Error (kBackendUnavailable) before.
trt::Library& ready_tensorrt();

}  // namespace halfscope::addon
