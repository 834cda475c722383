#include "addon/tensorrt_request.h"

#include <chrono>
#include <utility>

#include "addon/addon_data.h"
#include "addon/convert.h"
#include "addon/promise_worker.h"
#include "addon/tensorrt_convert.h"

namespace halfscope::addon {
namespace {

class RequestWrap : public Napi::ObjectWrap<RequestWrap> {
 public:
  static Napi::Function define(Napi::Env env) { return DefineClass(env, "NativeTensorRtRequest", {InstanceMethod<&RequestWrap::poll>("poll")}); }
  explicit RequestWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RequestWrap>(info) {
    if (!info[0].IsExternal()) throw to_js(info.Env(), ErrorCode::kInternal, "requests are made by begin()");
    request_ = std::move(*info[0].As<Napi::External<RequestUnderWay>>().Data());
  }
  RequestWrap(const RequestWrap&) = delete;
  RequestWrap& operator=(const RequestWrap&) = delete;
  // Nobody asks any more (a closing worker thread): the engine still reads the feed.
  ~RequestWrap() override {
    if (request_.pending) request_.pending->wait();
  }

 private:
  /// poll(microseconds): the outputs; undefined while it is not done within that time. Throws what the request threw, and once it was answered.
  Napi::Value poll(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return translate(env, [&]() -> Napi::Value {
      if (!request_.pending) throw Error(ErrorCode::kInternal, "the request has been answered");
      if (!request_.pending->done_within(std::chrono::microseconds(info[0].As<Napi::Number>().Int64Value()))) return env.Undefined();
      const RequestUnderWay done = std::exchange(request_, {});
      return to_js(env, done.pending->take());
    });
  }

  RequestUnderWay request_;
};

}  // namespace

Napi::Function define_tensorrt_request(Napi::Env env) { return RequestWrap::define(env); }
Napi::Value tensorrt_request(Napi::Env env, RequestUnderWay request) {
  return data_of(env).request_constructor.New({Napi::External<RequestUnderWay>::New(env, &request)});
}

}  // namespace halfscope::addon
