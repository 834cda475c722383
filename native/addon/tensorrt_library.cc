#include "addon/tensorrt_library.h"

#include "addon/convert.h"
#include "addon/promise_worker.h"
#include "tensorrt/cuda/clocks.h"
#include "tensorrt/cuda/driver.h"
#include "tensorrt/runtime/library.h"

namespace halfscope::addon {

Napi::Value tensorrt_modules(const Napi::CallbackInfo& info) {
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

Napi::Value tensorrt_library(const Napi::CallbackInfo& info) {
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
    result.Set("plugins", opened.library->plugins());
    result.Set("pluginsMissing", opened.library->plugins_missing());
    return result;
  });
}

Napi::Value cuda_device(const Napi::CallbackInfo& info) {
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

Napi::Value cuda_clocks(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    return PromiseWorker<std::optional<cuda::Clocks>>::start(
        info.Env(), [] { return cuda::read_clocks(cuda::open().pci_bus); },
        [](Napi::Env env, const std::optional<cuda::Clocks>& clocks) -> Napi::Value {
          if (!clocks) return env.Undefined();
          auto result = Napi::Object::New(env);
          result.Set("smMHz", clocks->processor_mhz);
          result.Set("memoryMHz", clocks->memory_mhz);
          if (clocks->watts) result.Set("powerWatts", *clocks->watts);
          if (clocks->celsius) result.Set("temperatureC", *clocks->celsius);
          result.Set("throttle", to_js(env, clocks->throttle));
          return result;
        });
  });
}

trt::Library& ready_tensorrt() {
  cuda::open();
  cuda::use_device();
  return *trt::opened_library().library;
}

}  // namespace halfscope::addon
