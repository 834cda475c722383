#pragma once

#include <napi.h>

#include <list>
#include <memory>

#include "addon/tensorrt_binding.h"
#include "ort/cancellation.h"
#include "ort/session.h"

namespace halfscope::addon {

/// The JS class behind `OrtSession`. It holds one reference to the native session; every run holds another, so dispose() during a run is safe.
class SessionWrap : public Napi::ObjectWrap<SessionWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  /// create(options): Promise<SessionWrap>
  static Napi::Value create(const Napi::CallbackInfo& info);
  explicit SessionWrap(const Napi::CallbackInfo& info);

 private:
  std::shared_ptr<ort::OrtSession> live(Napi::Env env) const;
  Napi::Value inputs(const Napi::CallbackInfo& info);
  Napi::Value outputs(const Napi::CallbackInfo& info);
  void set_feed(const Napi::CallbackInfo& info);
  void set_made_feed(const Napi::CallbackInfo& info);
  void clear_feed(const Napi::CallbackInfo& info);
  void set_reference(const Napi::CallbackInfo& info);
  Napi::Value run(const Napi::CallbackInfo& info);
  void terminate(const Napi::CallbackInfo& info);
  Napi::Value compares_done(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  std::shared_ptr<ort::OrtSession> session_;
};

/// Per JS environment (main thread or worker thread): nothing here is shared between them.
class AddonData {
 public:
  Napi::FunctionReference session_constructor;
  Napi::FunctionReference device_constructor;
  TensorRtData tensorrt;

  void remember(const std::shared_ptr<ort::OrtSession>& session);
  void remember(const std::shared_ptr<ort::Cancellation>& request);
  /// Ends every run of this environment's sessions early: it is about to close.
  void terminate_all() noexcept;

 private:
  std::list<std::weak_ptr<ort::OrtSession>> sessions_;
  std::list<std::weak_ptr<ort::Cancellation>> requests_;
};

}  // namespace halfscope::addon
