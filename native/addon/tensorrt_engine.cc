#include "addon/tensorrt_engine.h"

#include "addon/addon_data.h"
#include "addon/convert.h"
#include "addon/promise_worker.h"
#include "addon/shared_handle.h"
#include "addon/tensorrt_convert.h"
#include "addon/tensorrt_library.h"
#include "addon/tensorrt_request.h"
#include "addon/tensorrt_task.h"
#include "tensorrt/cuda/driver.h"
#include "tensorrt/runtime/compare.h"

namespace halfscope::addon {
namespace {

using SharedEngine = std::shared_ptr<trt::RunningEngine>;

/// Keeps the typed arrays of a feed while a worker reads them.
void keep_feed(const Napi::Value& list, std::vector<Napi::ObjectReference>& kept) {
  const auto array = list.As<Napi::Array>();
  for (std::uint32_t i = 0; i < array.Length(); i++) kept.push_back(keep(array.Get(i).As<Napi::Object>().Get("data")));
}

/// Arguments of a request: (profile, feed, fetch, into).
struct Request {
  explicit Request(const Napi::CallbackInfo& info)
      : profile(info[0].As<Napi::Number>().Int32Value()), feed(to_feed(info[1])), fetch(to_strings(info[2])) {
    keep_feed(info[1], kept);
    const auto targets = info[3].As<Napi::Array>();
    for (std::uint32_t i = 0; i < targets.Length(); i++) {
      const Napi::Value target = targets.Get(i);
      trt::Target memory;
      if (target.IsTypedArray()) {
        auto array = target.As<Napi::Uint8Array>();
        memory.data = array.Data();
        memory.bytes = array.ByteLength();
        kept.push_back(keep(array));
      }
      into.push_back(memory);
    }
  }
  int profile;
  trt::Feed feed;
  std::vector<std::string> fetch;
  std::vector<trt::Target> into;
  std::vector<Napi::ObjectReference> kept;
};

std::vector<Napi::ObjectReference> keep_one(const Napi::Value& value) {
  std::vector<Napi::ObjectReference> kept;
  kept.push_back(keep(value));
  return kept;
}

Napi::Value stats_to_js(Napi::Env env, const trt::Comparison& comparison) {
  auto result = Napi::Object::New(env);
  result.Set("names", to_js(env, comparison.names));
  result.Set("stats", to_block(env, comparison.stats.data(), comparison.stats.size()));
  result.Set("notCompared", to_js(env, comparison.not_compared));
  result.Set("seconds", comparison.seconds);
  return result;
}

class EngineWrap : public Napi::ObjectWrap<EngineWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeTensorRtEngine",
                       {InstanceMethod<&EngineWrap::io>("io"), InstanceMethod<&EngineWrap::profiles>("profiles"),
                        InstanceMethod<&EngineWrap::memory>("memoryBytes"), InstanceMethod<&EngineWrap::messages>("messages"),
                        InstanceMethod<&EngineWrap::run>("run"), InstanceMethod<&EngineWrap::begin>("begin"),
                        InstanceMethod<&EngineWrap::time>("time"), InstanceMethod<&EngineWrap::profile>("profile"),
                        InstanceMethod<&EngineWrap::inspect>("inspect"), InstanceMethod<&EngineWrap::serialize>("serialize"),
                        InstanceMethod<&EngineWrap::dispose>("dispose")});
  }
  explicit EngineWrap(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<EngineWrap>(info), engine_(info, "engines are made by tensorrtLoad()", "The engine has been disposed.") {}

  SharedEngine live(Napi::Env env) const { return engine_.live(env); }

 private:
  Napi::Value io(const Napi::CallbackInfo& info) {
    return translate(info.Env(), [&]() -> Napi::Value {
      return to_js(info.Env(), live(info.Env())->engine().io());
    });
  }
  Napi::Value profiles(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), live(info.Env())->engine().profiles()); }
  Napi::Value memory(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), static_cast<double>(live(info.Env())->engine().memory_bytes())); }
  Napi::Value messages(const Napi::CallbackInfo& info) {
    return translate(info.Env(), [&]() -> Napi::Value {
      return to_js(info.Env(), live(info.Env())->engine().messages());
    });
  }

  /// run(profile, feed, fetch, into: (Uint8Array | undefined)[]): Promise<{name, type, dims, data}[]>, without data where it is in `into`
  Napi::Value run(const Napi::CallbackInfo& info) {
    return translate(info.Env(), [&]() -> Napi::Value {
      auto engine = live(info.Env());
      Request request(info);
      return PromiseWorker<std::vector<trt::HostTensor>>::start(
          info.Env(),
          [engine = std::move(engine), profile = request.profile, feed = std::move(request.feed), fetch = std::move(request.fetch),
           into = std::move(request.into)] { return engine->run(profile, feed, fetch, into); },
          [](Napi::Env env, std::vector<trt::HostTensor> values) { return to_js(env, std::move(values)); }, std::move(request.kept));
    });
  }

  /// begin(profile, feed, fetch, into): the same as an object that is asked whether it is done, for those who do not sleep
  Napi::Value begin(const Napi::CallbackInfo& info) {
    return translate(info.Env(), [&]() -> Napi::Value {
      auto engine = live(info.Env());
      Request request(info);
      const auto pending = std::make_shared<trt::PendingRequest>();
      const Napi::Value asked = tensorrt_request(info.Env(), pending);
      engine->begin(pending, request.profile, std::move(request.feed), std::move(request.fetch), std::move(request.into));
      try {
        guard_request(info.Env(), std::move(engine), pending, std::move(request.kept));
      } catch (...) {
        pending->wait();  // the arrays must not go before it is done
        throw;
      }
      return asked;
    });
  }

  /// time({profile, warmup, requests, maxMilliseconds, contexts}, feed, fetch, task): Promise<{milliseconds, deviceMilliseconds, wallMilliseconds}>
  Napi::Value time(const Napi::CallbackInfo& info) {
    return translate(info.Env(), [&]() -> Napi::Value {
      auto engine = live(info.Env());
      const auto options = info[0].As<Napi::Object>();
      const auto size = [&](const char* name) { return static_cast<std::size_t>(options.Get(name).As<Napi::Number>().Int64Value()); };
      trt::TimeRequest request;
      request.profile = options.Get("profile").As<Napi::Number>().Int32Value();
      request.warmup = size("warmup");
      request.requests = size("requests");
      request.contexts = size("contexts");
      request.max_milliseconds = options.Get("maxMilliseconds").As<Napi::Number>().DoubleValue();
      std::vector<Napi::ObjectReference> kept;
      keep_feed(info[1], kept);
      return PromiseWorker<trt::Times>::start(
          info.Env(),
          [engine = std::move(engine), request, feed = to_feed(info[1]), fetch = to_strings(info[2]), task = task_of(info[3])] {
            return engine->time(request, feed, fetch, task->flag());
          },
          [](Napi::Env env, trt::Times times) -> Napi::Value {
            auto result = Napi::Object::New(env);
            result.Set("milliseconds", to_js(env, times.milliseconds));
            result.Set("deviceMilliseconds", to_js(env, times.device_milliseconds));
            result.Set("wallMilliseconds", times.wall_milliseconds);
            return result;
          },
          std::move(kept));
    });
  }

  /// profile(profile, feed, runs, task): Promise<{name, milliseconds}[]>
  Napi::Value profile(const Napi::CallbackInfo& info) {
    return translate(info.Env(), [&]() -> Napi::Value {
      using Times = std::vector<std::pair<std::string, double>>;
      auto engine = live(info.Env());
      std::vector<Napi::ObjectReference> kept;
      keep_feed(info[1], kept);
      return PromiseWorker<Times>::start(
          info.Env(),
          [engine = std::move(engine), profile = info[0].As<Napi::Number>().Int32Value(), feed = to_feed(info[1]), runs = info[2].As<Napi::Number>().Int32Value(),
           task = task_of(info[3])] { return engine->profile(profile, feed, runs, task->flag()); },
          [](Napi::Env env, Times times) -> Napi::Value {
            auto list = Napi::Array::New(env, times.size());
            for (std::size_t i = 0; i < times.size(); i++) {
              auto entry = Napi::Object::New(env);
              entry.Set("name", times[i].first);
              entry.Set("milliseconds", times[i].second);
              list.Set(static_cast<std::uint32_t>(i), entry);
            }
            return list;
          },
          std::move(kept));
    });
  }

  Napi::Value inspect(const Napi::CallbackInfo& info) {
    return translate(info.Env(), [&]() -> Napi::Value {
      return PromiseWorker<std::string>::start(
          info.Env(),
          [engine = live(info.Env())] {
            cuda::use_device();
            std::string json;
            trt::Failure failure;
            if (!engine->engine().inspect(json, failure)) trt::raise(failure);
            return json;
          },
          [](Napi::Env env, std::string json) -> Napi::Value { return Napi::String::New(env, json); });
    });
  }

  Napi::Value serialize(const Napi::CallbackInfo& info) {
    return translate(info.Env(), [&]() -> Napi::Value {
      return PromiseWorker<Buffer>::start(
          info.Env(),
          [engine = live(info.Env())] {
            cuda::use_device();
            Buffer plan;
            trt::Failure failure;
            if (!engine->engine().serialize(plan, failure)) trt::raise(failure);
            return plan;
          },
          [](Napi::Env env, Buffer plan) { return to_uint8_array(env, std::move(plan)); });
    });
  }

  Napi::Value dispose(const Napi::CallbackInfo& info) { return engine_.dispose(info.Env()); }

  SharedHandle<trt::RunningEngine> engine_;
};

SharedEngine engine_of(const Napi::Value& value, Napi::Env env) { return EngineWrap::Unwrap(value.As<Napi::Object>())->live(env); }

}  // namespace

Napi::Function define_tensorrt_engine(Napi::Env env) { return EngineWrap::define(env); }

Napi::Value tensorrt_load(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    const auto plan = info[0].As<Napi::Uint8Array>();
    return PromiseWorker<SharedEngine>::start(
        info.Env(),
        [bytes = plan.Data(), size = plan.ByteLength(), unfused = info[1].As<Napi::Boolean>().Value()] {
          trt::Failure failure;
          auto engine = ready_tensorrt().load(bytes, size, failure);
          if (!engine) trt::raise(failure);
          return std::make_shared<trt::RunningEngine>(std::move(engine), unfused);
        },
        [](Napi::Env env, SharedEngine engine) { return SharedHandle<trt::RunningEngine>::make(env, data_of(env).engine_constructor, std::move(engine)); },
        keep_one(info[0]));
  });
}

Napi::Value tensorrt_compare(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    std::vector<Napi::ObjectReference> kept;
    keep_feed(info[2], kept);
    keep_feed(info[5], kept);
    return PromiseWorker<trt::Comparison>::start(
        env,
        [reference = engine_of(info[0], env), reference_profile = info[1].As<Napi::Number>().Int32Value(), reference_feed = to_feed(info[2]),
         candidate = engine_of(info[3], env), candidate_profile = info[4].As<Napi::Number>().Int32Value(), candidate_feed = to_feed(info[5]),
         names = to_strings(info[6]), task = task_of(info[7])] {
          return trt::compare_engines(*reference, reference_profile, *candidate, candidate_profile, reference_feed, candidate_feed, names, task->count(),
                                      task->flag());
        },
        [](Napi::Env e, const trt::Comparison& comparison) { return stats_to_js(e, comparison); }, std::move(kept));
  });
}

}  // namespace halfscope::addon
