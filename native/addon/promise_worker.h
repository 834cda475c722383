#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon/convert.h"

namespace halfscope::addon {

/// Runs `work` on a thread of libuv's pool and settles a promise with `convert` of its result. Whatever `work` throws becomes a rejection.
/// `work` and what it captured are destroyed on that thread, so it must hold no JS reference: pass those through keep().
template <class Result>
class PromiseWorker : public Napi::AsyncWorker {
 public:
  using Work = std::function<Result()>;
  using Convert = std::function<Napi::Value(Napi::Env, Result)>;

  static Napi::Promise start(Napi::Env env, Work work, Convert convert, std::vector<Napi::ObjectReference> keep = {}) {
    std::unique_ptr<PromiseWorker> worker(new PromiseWorker(env, std::move(work), std::move(convert), std::move(keep)));
    const Napi::Promise promise = worker->deferred_.Promise();
    worker->Queue();
    worker.release();  // it deletes itself when done
    return promise;
  }

 protected:
  void Execute() override {
    try {
      result_ = work_();
    } catch (const Error& error) {
      fail(error.code(), error.what());
    } catch (const std::exception& error) {
      fail(ErrorCode::kInternal, error.what());
    } catch (...) {
      fail(ErrorCode::kInternal, "unknown native failure");
    }
    work_ = nullptr;
  }

  // Failures come here too, not through SetError and OnError: those make a JS error before we could catch that making one is impossible.
  void OnOK() override {
    try {
      settle();
    } catch (...) {
      // The environment is closing (a worker thread was stopped): no JS can run, and nobody waits for the promise.
    }
  }

 private:
  PromiseWorker(Napi::Env env, Work work, Convert convert, std::vector<Napi::ObjectReference> keep)
      : Napi::AsyncWorker(env, "halfscope"),
        deferred_(Napi::Promise::Deferred::New(env)),
        work_(std::move(work)),
        convert_(std::move(convert)),
        keep_(std::move(keep)) {}

  void fail(ErrorCode code, const std::string& message) {
    failed_ = true;
    code_ = code;
    message_ = message;
  }

  void settle() {
    const Napi::HandleScope scope(Env());
    if (failed_) return deferred_.Reject(to_js(Env(), code_, message_).Value());
    try {
      deferred_.Resolve(convert_(Env(), std::move(result_)));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    } catch (const std::exception& error) {
      deferred_.Reject(to_js(Env(), ErrorCode::kInternal, error.what()).Value());
    }
  }

  Napi::Promise::Deferred deferred_;
  Work work_;
  Convert convert_;
  std::vector<Napi::ObjectReference> keep_;
  Result result_{};
  bool failed_ = false;
  std::string message_;
  ErrorCode code_ = ErrorCode::kInternal;
};

/// Keeps a JS object alive while a worker reads its memory.
inline Napi::ObjectReference keep(const Napi::Value& value) { return Napi::Persistent(value.As<Napi::Object>()); }

/// Calls `body` on the JS thread; whatever it throws becomes a JS exception with a code. Every function that JavaScript calls goes through here, or cannot throw: node-addon-api
/// catches Napi::Error alone, and anything else, std::bad_alloc first of all, would end the process.
template <class Body>
auto translate(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const Error& error) {
    throw to_js(env, error.code(), error.what());
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw to_js(env, ErrorCode::kInternal, error.what());
  } catch (...) {
    throw to_js(env, ErrorCode::kInternal, "unknown native failure");
  }
}

}  // namespace halfscope::addon
