// Entry point of halfscope.node: what JavaScript sees. packages/engine/src/addon.ts is the typed face and checks all arguments; nothing else
// should call these.

#include <napi.h>

#include <memory>

#include "addon/addon_data.h"
#include "addon/convert.h"
#include "addon/device_wrap.h"
#include "addon/metrics_binding.h"
#include "addon/promise_worker.h"
#include "addon/session_wrap.h"
#include "addon/tensorrt_binding.h"
#include "core/cpu.h"
#include "ort/library.h"
#include "ort/providers.h"

namespace halfscope::addon {
namespace {

/// load(path): {version, library, providers, instructionSet, apiVersion}
Napi::Value load(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return translate(env, [&]() -> Napi::Value {
    const auto& library = ort::load_library(info[0].As<Napi::String>().Utf8Value());
    auto providers = Napi::Array::New(env);
    for (const auto& provider : library.providers) providers.Set(providers.Length(), provider);
    auto result = Napi::Object::New(env);
    result.Set("version", library.version);
    result.Set("library", library.path);
    result.Set("providers", providers);
    result.Set("instructionSet", name_of(instruction_set()));
    result.Set("apiVersion", ort::kApiVersion);
    return result;
  });
}

/// preload(path): string, why it did not load
Napi::Value preload(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value { return Napi::String::New(info.Env(), ort::preload(info[0].As<Napi::String>().Utf8Value())); });
}

void terminate_all(const Napi::CallbackInfo& info) { data_of(info.Env()).terminate_all(); }

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  instruction_set();  // a wrong HALFSCOPE_ISA is told at once
  auto made = std::make_unique<AddonData>();
  made->session_constructor = Napi::Persistent(SessionWrap::define(env));
  made->device_constructor = Napi::Persistent(DeviceWrap::define(env));
  env.SetInstanceData(made.get());
  AddonData* data = made.release();  // deleted with the environment
  // A closing worker thread waits for its runs; make them short.
  env.AddCleanupHook([](AddonData* d) { d->terminate_all(); }, data);
  exports.Set("load", Napi::Function::New<load>(env));
  exports.Set("createSession", Napi::Function::New<SessionWrap::create>(env));
  exports.Set("createDeviceSession", Napi::Function::New<DeviceWrap::create>(env));
  exports.Set("compareDeviceSessions", Napi::Function::New<DeviceWrap::compare>(env));
  exports.Set("Cancellation", CancellationWrap::define(env));
  exports.Set("preload", Napi::Function::New<preload>(env));
  exports.Set("terminateAll", Napi::Function::New<terminate_all>(env));
  exports.Set("compareTensors", Napi::Function::New<compare_tensors>(env));
  exports.Set("convertToHalf", Napi::Function::New<convert_to_half>(env));
  exports.Set("convertToBfloat16", Napi::Function::New<convert_to_bfloat>(env));
  exports.Set("convertFromHalf", Napi::Function::New<convert_from_half>(env));
  define_tensorrt(env, exports, *data);
  return exports;
}

}  // namespace
}  // namespace halfscope::addon

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  return halfscope::addon::translate(env, [&] { return halfscope::addon::initialise(env, exports); });
}
NODE_API_MODULE(halfscope, init)
