#pragma once

#include <napi.h>

#include <list>
#include <memory>

#include "ort/cancellation.h"
#include "ort/session.h"
#include "tensorrt/runtime/task.h"

namespace halfscope::addon {

/// Per JS environment (main thread or worker thread): classes, and the work that must end before it closes. Nothing here is shared between environments.
class AddonData {
 public:
  Napi::FunctionReference session_constructor;
  Napi::FunctionReference device_constructor;
  Napi::FunctionReference engine_constructor;
  Napi::FunctionReference request_constructor;
  Napi::FunctionReference task_constructor;

  void remember(const std::shared_ptr<ort::OrtSession>& session);
  void remember(const std::shared_ptr<ort::Cancellation>& request);
  void remember(const std::shared_ptr<trt::Task>& task);
  /// Ends all work of this environment early: it is about to close.
  void terminate_all() noexcept;

 private:
  std::list<std::weak_ptr<ort::OrtSession>> sessions_;
  std::list<std::weak_ptr<ort::Cancellation>> requests_;
  std::list<std::weak_ptr<trt::Task>> tasks_;
};

inline AddonData& data_of(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }

}  // namespace halfscope::addon
