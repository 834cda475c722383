#pragma once

#include <napi.h>

#include <memory>
#include <utility>

#include "addon/promise_worker.h"

namespace halfscope::addon {

/// What a JS object holds of something native. Work under way holds it too, so that dispose() while some is under way is safe.
template <class Native>
class SharedHandle {
 public:
  using Shared = std::shared_ptr<Native>;

  /// For the constructor of the JS class: takes what make() gives it. `made_by` is the only function that calls that constructor.
  SharedHandle(const Napi::CallbackInfo& info, const char* made_by, const char* disposed) : disposed_(disposed) {
    if (!info[0].IsExternal()) throw to_js(info.Env(), ErrorCode::kInternal, made_by);
    shared_ = *info[0].As<Napi::External<Shared>>().Data();
  }

  static Napi::Value make(Napi::Env env, const Napi::FunctionReference& constructor, Shared native) {
    return constructor.New({Napi::External<Shared>::New(env, &native)});
  }

  /// Throws the JS error that it has been disposed.
  Shared live(Napi::Env env) const {
    if (!shared_) throw to_js(env, ErrorCode::kDisposed, disposed_);
    return shared_;
  }
  /// nullptr after dispose().
  const Shared& get() const noexcept { return shared_; }

  /// Resolves when this object's share of the native memory has been given back (at the end of work that is under way, that work's).
  Napi::Value dispose(Napi::Env env) {
    return translate(env, [&]() -> Napi::Value {
      return PromiseWorker<int>::start(
          env,
          [shared = std::move(shared_)]() mutable {
            shared.reset();
            return 0;
          },
          [](Napi::Env e, int) { return e.Undefined(); });
    });
  }

 private:
  Shared shared_;
  const char* disposed_;
};

}  // namespace halfscope::addon
