#pragma once

#include <napi.h>

#include <list>
#include <memory>

namespace halfscope::trt {
class RunningEngine;
class Task;
}  // namespace halfscope::trt

namespace halfscope::addon {

/// Per JS environment: classes, and the work that must end before it closes.
class TensorRtData {
 public:
  Napi::FunctionReference engine_constructor, task_constructor;
  void remember(const std::shared_ptr<trt::Task>& task);
  void cancel_all() noexcept;

 private:
  std::list<std::weak_ptr<trt::Task>> tasks_;
};

/// What JavaScript sees of TensorRT. packages/engine/src/device/tensorrt/native.ts is the typed face.
/// tensorrtModules(): {modules: {major, headers, path}[], failures: string[]}
/// tensorrtLibrary(folder): {version, path, major, headers, capabilities}
/// cudaDevice(): {name, computeCapability, memoryBytes, processors, cuda, driver}
/// tensorrtTask(): {cancel(), phases(): {name, steps, done}[], count()}
/// tensorrtDescribe(request): Promise<{inputs, outputs, layers, messages}>
/// tensorrtBuild(request, task): Promise<{plan, timingCache, outputs, observed, notObserved, pinsNotFound, messages, seconds}>
/// tensorrtMergeCaches(one: Uint8Array, other: Uint8Array): Promise<Uint8Array>
/// tensorrtLoad(plan: Uint8Array, unfused: boolean): Promise<NativeTensorRtEngine>
/// tensorrtCompare(reference, profile, feed, candidate, profile, feed, names, task): Promise<{names, stats, notCompared, seconds}>
void define_tensorrt(Napi::Env env, Napi::Object exports, TensorRtData& data);

}  // namespace halfscope::addon
