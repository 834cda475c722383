#include "addon/tensorrt_binding.h"

#include "addon/convert.h"
#include "addon/promise_worker.h"
#include "addon/session_wrap.h"
#include "addon/tensorrt_convert.h"
#include "tensorrt/cuda/driver.h"
#include "tensorrt/runtime/compare.h"
#include "tensorrt/runtime/library.h"
#include "tensorrt/runtime/task.h"

namespace halfscope::addon {
namespace {

using SharedEngine = std::shared_ptr<trt::RunningEngine>;
using SharedTask = std::shared_ptr<trt::Task>;

TensorRtData& data_of(Napi::Env env) { return env.GetInstanceData<AddonData>()->tensorrt; }

trt::Library& library() {
  // Whoever builds or loads has opened it before, with its folder.
  return *trt::opened_library().library;
}

class TaskWrap : public Napi::ObjectWrap<TaskWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeTask", {InstanceMethod<&TaskWrap::cancel>("cancel"), InstanceMethod<&TaskWrap::phases>("phases"),
                                           InstanceMethod<&TaskWrap::count>("count")});
  }
  explicit TaskWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TaskWrap>(info), task(std::make_shared<trt::Task>()) { data_of(info.Env()).remember(task); }

  const SharedTask task;

 private:
  void cancel(const Napi::CallbackInfo&) { task->cancel(); }
  Napi::Value count(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), static_cast<double>(task->count().load())); }
  Napi::Value phases(const Napi::CallbackInfo& info) {
    auto list = Napi::Array::New(info.Env());
    for (const auto& phase : task->phases()) {
      auto entry = Napi::Object::New(info.Env());
      entry.Set("name", phase.name);
      entry.Set("steps", phase.steps);
      entry.Set("done", phase.done);
      list.Set(list.Length(), entry);
    }
    return list;
  }
};

SharedTask task_of(const Napi::Value& value) { return TaskWrap::Unwrap(value.As<Napi::Object>())->task; }

/// Keeps the typed arrays of a feed while a worker reads them.
void keep_feed(const Napi::Value& list, std::vector<Napi::ObjectReference>& kept) {
  const auto array = list.As<Napi::Array>();
  for (std::uint32_t i = 0; i < array.Length(); i++) kept.push_back(keep(array.Get(i).As<Napi::Object>().Get("data")));
}

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
                       {InstanceMethod<&EngineWrap::io>("io"), InstanceMethod<&EngineWrap::profiles>("profiles"), InstanceMethod<&EngineWrap::memory>("memoryBytes"),
                        InstanceMethod<&EngineWrap::messages>("messages"), InstanceMethod<&EngineWrap::run>("run"), InstanceMethod<&EngineWrap::time>("time"),
                        InstanceMethod<&EngineWrap::profile>("profile"), InstanceMethod<&EngineWrap::inspect>("inspect"),
                        InstanceMethod<&EngineWrap::serialize>("serialize"), InstanceMethod<&EngineWrap::dispose>("dispose")});
  }
  explicit EngineWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EngineWrap>(info) {
    if (!info[0].IsExternal()) throw to_js(info.Env(), ErrorCode::kInternal, "engines are made by tensorrtLoad()");
    engine_ = *info[0].As<Napi::External<SharedEngine>>().Data();
  }

  SharedEngine live(Napi::Env env) const {
    if (!engine_) throw to_js(env, ErrorCode::kDisposed, "The engine has been disposed.");
    return engine_;
  }

 private:
  Napi::Value io(const Napi::CallbackInfo& info) { return to_js(info.Env(), live(info.Env())->engine().io()); }
  Napi::Value profiles(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), live(info.Env())->engine().profiles()); }
  Napi::Value memory(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), static_cast<double>(live(info.Env())->engine().memory_bytes())); }
  Napi::Value messages(const Napi::CallbackInfo& info) { return to_js(info.Env(), live(info.Env())->engine().messages()); }

  /// run(profile, feed, fetch): Promise<{name, type, dims, data}[]>
  Napi::Value run(const Napi::CallbackInfo& info) {
    auto engine = live(info.Env());
    std::vector<Napi::ObjectReference> kept;
    keep_feed(info[1], kept);
    return PromiseWorker<std::vector<trt::HostTensor>>::start(
        info.Env(),
        [engine = std::move(engine), profile = info[0].As<Napi::Number>().Int32Value(), feed = to_feed(info[1]), fetch = to_strings(info[2])] {
          return engine->run(profile, feed, fetch);
        },
        [](Napi::Env env, std::vector<trt::HostTensor> values) { return to_js(env, std::move(values)); }, std::move(kept));
  }

  /// time({profile, warmup, requests, maxMilliseconds, contexts}, feed, fetch, task): Promise<{milliseconds, deviceMilliseconds, wallMilliseconds}>
  Napi::Value time(const Napi::CallbackInfo& info) {
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
  }

  /// profile(profile, feed, runs, task): Promise<{name, milliseconds}[]>
  Napi::Value profile(const Napi::CallbackInfo& info) {
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
  }

  Napi::Value inspect(const Napi::CallbackInfo& info) {
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
  }

  Napi::Value serialize(const Napi::CallbackInfo& info) {
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
  }

  Napi::Value dispose(const Napi::CallbackInfo& info) {
    return PromiseWorker<int>::start(
        info.Env(),
        [engine = std::move(engine_)]() mutable {
          engine.reset();
          return 0;
        },
        [](Napi::Env env, int) { return env.Undefined(); });
  }

  SharedEngine engine_;
};

SharedEngine engine_of(const Napi::Value& value, Napi::Env env) { return EngineWrap::Unwrap(value.As<Napi::Object>())->live(env); }

Napi::Value modules(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return translate(env, [&]() -> Napi::Value {
    std::vector<std::string> failures;
    auto list = Napi::Array::New(env);
    for (const auto& module : trt::find_modules(failures)) {
      auto entry = Napi::Object::New(env);
      entry.Set("major", module.major);
      entry.Set("headers", module.headers);
      entry.Set("path", module.path);
      list.Set(list.Length(), entry);
    }
    auto result = Napi::Object::New(env);
    result.Set("modules", list);
    result.Set("failures", to_js(env, failures));
    return result;
  });
}

Napi::Value open_library(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return translate(env, [&]() -> Napi::Value {
    const auto& opened = trt::open_library(info[0].As<Napi::String>().Utf8Value());
    const auto& can = opened.library->capabilities();
    auto capabilities = Napi::Object::New(env);
    capabilities.Set("weak", can.weak);
    capabilities.Set("typed", can.typed);
    capabilities.Set("debugTensors", can.debug_tensors);
    capabilities.Set("unfusedTensors", can.unfused_tensors);
    capabilities.Set("strictNans", can.strict_nans);
    capabilities.Set("progress", can.progress);
    auto result = Napi::Object::New(env);
    result.Set("version", opened.library->version());
    result.Set("path", opened.library->path());
    result.Set("major", opened.module.major);
    result.Set("headers", opened.module.headers);
    result.Set("capabilities", capabilities);
    return result;
  });
}

Napi::Value device(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return translate(env, [&]() -> Napi::Value {
    const auto& found = cuda::open();
    auto result = Napi::Object::New(env);
    result.Set("name", found.name);
    result.Set("computeCapability", std::to_string(found.major) + "." + std::to_string(found.minor));
    result.Set("memoryBytes", static_cast<double>(found.memory_bytes));
    result.Set("processors", found.processors);
    result.Set("cuda", found.cuda);
    result.Set("driver", found.driver);
    return result;
  });
}

Napi::Value make_task(const Napi::CallbackInfo& info) { return data_of(info.Env()).task_constructor.New({}); }

Napi::Value describe(const Napi::CallbackInfo& info) {
  auto request = std::make_shared<trt::BuildRequest>(to_build_request(info[0].As<Napi::Object>()));
  return PromiseWorker<trt::NetworkDescription>::start(
      info.Env(),
      [request] {
        // TensorRT ends the process where it finds no GPU: this throws before.
        cuda::open();
        cuda::use_device();
        trt::NetworkDescription description;
        trt::Failure failure;
        if (!library().describe(*request, description, failure)) trt::raise(failure);
        return description;
      },
      [](Napi::Env env, trt::NetworkDescription description) { return to_js(env, description); });
}

Napi::Value build(const Napi::CallbackInfo& info) {
  auto request = std::make_shared<trt::BuildRequest>(to_build_request(info[0].As<Napi::Object>()));
  auto outcome = std::make_shared<trt::BuildOutcome>();
  return PromiseWorker<std::shared_ptr<trt::BuildOutcome>>::start(
      info.Env(),
      [request, outcome, task = task_of(info[1])] {
        cuda::open();
        cuda::use_device();
        trt::Failure failure;
        if (!library().build(*request, *task, *outcome, failure)) trt::raise(failure);
        return outcome;
      },
      [](Napi::Env env, const std::shared_ptr<trt::BuildOutcome>& built) { return to_js(env, std::move(*built)); });
}

Napi::Value merge_caches(const Napi::CallbackInfo& info) {
  auto one = std::make_shared<Buffer>(copy_bytes(info[0]));
  auto other = std::make_shared<Buffer>(copy_bytes(info[1]));
  return PromiseWorker<Buffer>::start(
      info.Env(),
      [one, other] {
        cuda::open();
        cuda::use_device();
        Buffer merged;
        trt::Failure failure;
        if (!library().merge_caches(*one, *other, merged, failure)) trt::raise(failure);
        return merged;
      },
      [](Napi::Env env, Buffer merged) { return to_uint8_array(env, std::move(merged)); });
}

Napi::Value load(const Napi::CallbackInfo& info) {
  const auto plan = info[0].As<Napi::Uint8Array>();
  return PromiseWorker<SharedEngine>::start(
      info.Env(),
      [bytes = plan.Data(), size = plan.ByteLength(), unfused = info[1].As<Napi::Boolean>().Value()] {
        cuda::open();
        cuda::use_device();
        trt::Failure failure;
        auto engine = library().load(bytes, size, failure);
        if (!engine) trt::raise(failure);
        return std::make_shared<trt::RunningEngine>(std::move(engine), unfused);
      },
      [](Napi::Env env, SharedEngine engine) -> Napi::Value {
        return data_of(env).engine_constructor.New({Napi::External<SharedEngine>::New(env, &engine)});
      },
      keep_one(info[0]));
}

Napi::Value compare(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<Napi::ObjectReference> kept;
  keep_feed(info[2], kept);
  keep_feed(info[5], kept);
  return PromiseWorker<trt::Comparison>::start(
      env,
      [reference = engine_of(info[0], env), reference_profile = info[1].As<Napi::Number>().Int32Value(), reference_feed = to_feed(info[2]),
       candidate = engine_of(info[3], env), candidate_profile = info[4].As<Napi::Number>().Int32Value(), candidate_feed = to_feed(info[5]),
       names = to_strings(info[6]), task = task_of(info[7])] {
        return trt::compare_engines(*reference, reference_profile, *candidate, candidate_profile, reference_feed, candidate_feed, names, task->count(), task->flag());
      },
      [](Napi::Env e, const trt::Comparison& comparison) { return stats_to_js(e, comparison); }, std::move(kept));
}

}  // namespace

void TensorRtData::remember(const SharedTask& task) {
  tasks_.remove_if([](const auto& weak) { return weak.expired(); });
  tasks_.push_back(task);
}

void TensorRtData::cancel_all() noexcept {
  for (const auto& weak : tasks_) {
    if (const auto task = weak.lock()) task->cancel();
  }
}

void define_tensorrt(Napi::Env env, Napi::Object exports, TensorRtData& data) {
  data.engine_constructor = Napi::Persistent(EngineWrap::define(env));
  data.task_constructor = Napi::Persistent(TaskWrap::define(env));
  exports.Set("tensorrtModules", Napi::Function::New<modules>(env));
  exports.Set("tensorrtLibrary", Napi::Function::New<open_library>(env));
  exports.Set("cudaDevice", Napi::Function::New<device>(env));
  exports.Set("tensorrtTask", Napi::Function::New<make_task>(env));
  exports.Set("tensorrtDescribe", Napi::Function::New<describe>(env));
  exports.Set("tensorrtBuild", Napi::Function::New<build>(env));
  exports.Set("tensorrtMergeCaches", Napi::Function::New<merge_caches>(env));
  exports.Set("tensorrtLoad", Napi::Function::New<load>(env));
  exports.Set("tensorrtCompare", Napi::Function::New<compare>(env));
}

}  // namespace halfscope::addon
