#pragma once

#include <napi.h>

#include "addon/shared_handle.h"
#include "ort/session.h"

namespace halfscope::addon {

/// The JS class behind `OrtSession`. Runs hold the native session too.
class SessionWrap : public Napi::ObjectWrap<SessionWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  /// create(options): Promise<SessionWrap>
  static Napi::Value create(const Napi::CallbackInfo& info);
  explicit SessionWrap(const Napi::CallbackInfo& info);

 private:
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

  SharedHandle<ort::OrtSession> session_;
};

}  // namespace halfscope::addon
