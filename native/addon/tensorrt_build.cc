#include "addon/tensorrt_build.h"

#include "addon/convert.h"
#include "addon/promise_worker.h"
#include "addon/tensorrt_convert.h"
#include "addon/tensorrt_library.h"
#include "addon/tensorrt_task.h"

namespace halfscope::addon {

Napi::Value tensorrt_describe(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    auto request = std::make_shared<trt::BuildRequest>(to_build_request(info[0].As<Napi::Object>()));
    return PromiseWorker<trt::NetworkDescription>::start(
        info.Env(),
        [request] {
          trt::NetworkDescription description;
          trt::Failure failure;
          if (!ready_tensorrt().describe(*request, description, failure)) trt::raise(failure);
          return description;
        },
        [](Napi::Env env, trt::NetworkDescription description) { return to_js(env, description); });
  });
}

Napi::Value tensorrt_build(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    auto request = std::make_shared<trt::BuildRequest>(to_build_request(info[0].As<Napi::Object>()));
    auto outcome = std::make_shared<trt::BuildOutcome>();
    return PromiseWorker<std::shared_ptr<trt::BuildOutcome>>::start(
        info.Env(),
        [request, outcome, task = task_of(info[1])] {
          trt::Failure failure;
          if (!ready_tensorrt().build(*request, *task, *outcome, failure)) trt::raise(failure);
          return outcome;
        },
        [](Napi::Env env, const std::shared_ptr<trt::BuildOutcome>& built) { return to_js(env, std::move(*built)); });
  });
}

Napi::Value tensorrt_merge_caches(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    auto one = std::make_shared<Buffer>(copy_bytes(info[0]));
    auto other = std::make_shared<Buffer>(copy_bytes(info[1]));
    return PromiseWorker<Buffer>::start(
        info.Env(),
        [one, other] {
          Buffer merged;
          trt::Failure failure;
          if (!ready_tensorrt().merge_caches(*one, *other, merged, failure)) trt::raise(failure);
          return merged;
        },
        [](Napi::Env env, Buffer merged) { return to_uint8_array(env, std::move(merged)); });
  });
}

}  // namespace halfscope::addon
