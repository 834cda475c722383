#include "addon/tensorrt_request.h"

#include <chrono>
#include <utility>

#include "addon/addon_data.h"
#include "addon/convert.h"
#include "addon/promise_worker.h"
#include "addon/tensorrt_convert.h"

namespace halfscope::addon {
namespace {

using Pending = std::shared_ptr<trt::PendingRequest>;

class RequestWrap : public Napi::ObjectWrap<RequestWrap> {
 public:
  static Napi::Function define(Napi::Env env) { return DefineClass(env, "NativeTensorRtRequest", {InstanceMethod<&RequestWrap::poll>("poll")}); }
  explicit RequestWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RequestWrap>(info) {
    if (!info[0].IsExternal()) throw to_js(info.Env(), ErrorCode::kInternal, "requests are made by begin()");
    pending_ = *info[0].As<Napi::External<Pending>>().Data();
  }

 private:
  /// poll(microseconds): the outputs; undefined while it is not done within that time. Throws what the request threw, and once it was answered.
  Napi::Value poll(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return translate(env, [&]() -> Napi::Value {
      if (!pending_) throw Error(ErrorCode::kInternal, "the request has been answered");
      if (!pending_->done_within(std::chrono::microseconds(info[0].As<Napi::Number>().Int64Value()))) return env.Undefined();
      const Pending done = std::exchange(pending_, nullptr);
      return to_js(env, done->take());
    });
  }

  Pending pending_;
};

}  // namespace

Napi::Function define_tensorrt_request(Napi::Env env) { return RequestWrap::define(env); }

Napi::Value tensorrt_request(Napi::Env env, const Pending& pending) {
  Pending shared = pending;
  return data_of(env).request_constructor.New({Napi::External<Pending>::New(env, &shared)});
}

void guard_request(Napi::Env env, std::shared_ptr<trt::RunningEngine> engine, Pending pending, std::vector<Napi::ObjectReference> kept) {
  PromiseWorker<int>::start(
      env,
      [engine = std::move(engine), pending = std::move(pending)] {
        pending->wait();
        return 0;
      },
      [](Napi::Env e, int) { return e.Undefined(); }, std::move(kept));
}

}  // namespace halfscope::addon
