#pragma once

#include <napi.h>

#include <memory>

#include "addon/shared_handle.h"
#include "ort/device_session.h"

namespace halfscope::addon {

/// The JS class behind one request's AbortSignal.
class CancellationWrap : public Napi::ObjectWrap<CancellationWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit CancellationWrap(const Napi::CallbackInfo& info);
  const std::shared_ptr<ort::Cancellation>& get() const { return cancellation_; }

 private:
  Napi::Value cancel(const Napi::CallbackInfo& info);

  std::shared_ptr<ort::Cancellation> cancellation_;
};

/// The JS class behind `DeviceSession` of the engine package. Requests hold the native session too.
class DeviceWrap : public Napi::ObjectWrap<DeviceWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  /// createDeviceSession({model, folder, threads, optimization, providers: {name, options}[], config, profile}): Promise<DeviceWrap>
  static Napi::Value create(const Napi::CallbackInfo& info);
  /// compareDeviceSessions(reference, its feeds, candidate, its feeds, names, cancellation): Promise<{name, block?, reason?}[]>
  static Napi::Value compare(const Napi::CallbackInfo& info);
  explicit DeviceWrap(const Napi::CallbackInfo& info);

 private:
  Napi::Value inputs(const Napi::CallbackInfo& info);
  Napi::Value outputs(const Napi::CallbackInfo& info);
  Napi::Value log(const Napi::CallbackInfo& info);
  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value time(const Napi::CallbackInfo& info);
  Napi::Value end_profiling(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  SharedHandle<ort::DeviceSession> session_;
};

}  // namespace halfscope::addon
