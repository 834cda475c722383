#include "addon/device_wrap.h"

#include <utility>

#include "addon/addon_data.h"
#include "addon/convert.h"
#include "addon/promise_worker.h"

namespace halfscope::addon {
namespace {

using SharedDevice = std::shared_ptr<ort::DeviceSession>;
using SharedCancellation = std::shared_ptr<ort::Cancellation>;

std::string text(const Napi::Value& value) { return value.As<Napi::String>().Utf8Value(); }

std::vector<std::pair<std::string, std::string>> to_pairs(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& key : to_strings(object.GetPropertyNames())) pairs.emplace_back(key, text(object.Get(key)));
  return pairs;
}

/// {name, type, dims, data} or {name, model}
ort::DeviceInputs to_inputs(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  ort::DeviceInputs inputs;
  for (std::uint32_t i = 0; i < array.Length(); i++) {
    const auto entry = array.Get(i).As<Napi::Object>();
    ort::DeviceInput input{text(entry.Get("name")), {}, nullptr};
    if (entry.Has("model")) input.made = ort::make_value(copy_bytes(entry.Get("model")));
    else input.tensor = to_tensor(entry.Get("type"), entry.Get("dims"), entry.Get("data"));
    inputs.push_back(std::move(input));
  }
  return inputs;
}

SharedCancellation to_cancellation(const Napi::CallbackInfo& info, std::size_t index) {
  const auto& shared = CancellationWrap::Unwrap(info[index].As<Napi::Object>())->get();
  data_of(info.Env()).remember(shared);
  return shared;
}

/// Work with a session on another thread.
template <class Result>
Napi::Promise start(Napi::Env env, SharedDevice session, std::function<Result(ort::DeviceSession&)> work, typename PromiseWorker<Result>::Convert convert) {
  return PromiseWorker<Result>::start(env, [session = std::move(session), work = std::move(work)] { return work(*session); }, std::move(convert));
}

Napi::Value outputs_to_js(Napi::Env env, ort::DeviceOutputs outputs) {
  auto tensors = Napi::Array::New(env);
  for (auto& [name, tensor] : outputs.tensors) {
    auto entry = to_js(env, std::move(tensor));
    entry.Set("name", name);
    tensors.Set(tensors.Length(), entry);
  }
  auto result = Napi::Object::New(env);
  result.Set("outputs", tensors);
  result.Set("notFetched", to_js(env, outputs.not_fetched));
  return result;
}

Napi::Value compared_to_js(Napi::Env env, const std::vector<ort::ComparedOutput>& compared) {
  auto list = Napi::Array::New(env, compared.size());
  for (std::size_t i = 0; i < compared.size(); i++) {
    auto entry = Napi::Object::New(env);
    entry.Set("name", compared[i].name);
    if (compared[i].reason.empty()) entry.Set("block", to_block(env, &compared[i].stats, 1));
    else entry.Set("reason", compared[i].reason);
    list.Set(static_cast<std::uint32_t>(i), entry);
  }
  return list;
}

Napi::Value times_to_js(Napi::Env env, const ort::RequestTimes& times) {
  auto result = Napi::Object::New(env);
  result.Set("milliseconds", to_js(env, times.milliseconds));
  result.Set("wallMilliseconds", times.wall_milliseconds);
  return result;
}

}  // namespace

Napi::Function CancellationWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeCancellation", {InstanceMethod<&CancellationWrap::cancel>("cancel")});
}
CancellationWrap::CancellationWrap(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<CancellationWrap>(info), cancellation_(translate(info.Env(), [] { return std::make_shared<ort::Cancellation>(); })) {}
Napi::Value CancellationWrap::cancel(const Napi::CallbackInfo& info) {
  cancellation_->cancel();
  return info.Env().Undefined();
}

Napi::Function DeviceWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeDeviceSession",
                     {
                         InstanceMethod<&DeviceWrap::inputs>("inputs"),
                         InstanceMethod<&DeviceWrap::outputs>("outputs"),
                         InstanceMethod<&DeviceWrap::log>("log"),
                         InstanceMethod<&DeviceWrap::run>("run"),
                         InstanceMethod<&DeviceWrap::time>("time"),
                         InstanceMethod<&DeviceWrap::end_profiling>("endProfiling"),
                         InstanceMethod<&DeviceWrap::dispose>("dispose"),
                     });
}

Napi::Value DeviceWrap::create(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return translate(env, [&]() -> Napi::Value {
    const auto options = info[0].As<Napi::Object>();
    auto request = std::make_shared<ort::DeviceSessionRequest>();
    request->model = copy_bytes(options.Get("model"));
    request->folder = text(options.Get("folder"));
    request->threads = options.Get("threads").As<Napi::Number>().Int32Value();
    request->optimization = options.Get("optimization").As<Napi::Number>().Int32Value();
    request->config = to_pairs(options.Get("config"));
    request->profile = text(options.Get("profile"));
    const auto providers = options.Get("providers").As<Napi::Array>();
    for (std::uint32_t i = 0; i < providers.Length(); i++) {
      const auto provider = providers.Get(i).As<Napi::Object>();
      request->providers.push_back({text(provider.Get("name")), to_pairs(provider.Get("options"))});
    }
    return PromiseWorker<SharedDevice>::start(
        env, [request] { return std::make_shared<ort::DeviceSession>(std::move(*request)); },
        [](Napi::Env e, SharedDevice session) { return SharedHandle<ort::DeviceSession>::make(e, data_of(e).device_constructor, std::move(session)); });
  });
}

DeviceWrap::DeviceWrap(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<DeviceWrap>(info), session_(info, "sessions are made by createDeviceSession()", "The engine has been disposed.") {}

Napi::Value DeviceWrap::inputs(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    return to_io_list(info.Env(), session_.live(info.Env())->inputs());
  });
}
Napi::Value DeviceWrap::outputs(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    return to_io_list(info.Env(), session_.live(info.Env())->outputs());
  });
}

/// log(): {lines: {severity, text}[], dropped}
Napi::Value DeviceWrap::log(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return translate(env, [&]() -> Napi::Value {
    const auto session = session_.live(env);
    auto lines = Napi::Array::New(env);
    for (const auto& line : session->log().lines()) {
      auto entry = Napi::Object::New(env);
      entry.Set("severity", line.severity);
      entry.Set("text", line.text);
      lines.Set(lines.Length(), entry);
    }
    auto result = Napi::Object::New(env);
    result.Set("lines", lines);
    result.Set("dropped", static_cast<double>(session->log().dropped()));
    return result;
  });
}

/// run(feeds, fetch: string[], cancellation): Promise<{outputs, notFetched}>
Napi::Value DeviceWrap::run(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto session = session_.live(env);
  return translate(env, [&]() -> Napi::Value {
    auto inputs = std::make_shared<ort::DeviceInputs>(to_inputs(info[0]));
    return start<ort::DeviceOutputs>(
        env, std::move(session),
        [inputs, fetch = to_strings(info[1]), cancellation = to_cancellation(info, 2)](ort::DeviceSession& s) { return s.run(*inputs, fetch, *cancellation); },
        [](Napi::Env e, ort::DeviceOutputs outputs) { return outputs_to_js(e, std::move(outputs)); });
  });
}

/// time(feeds, {fetch, warmup, requests, contexts, maxMilliseconds}, cancellation): Promise<{milliseconds: Float64Array, wallMilliseconds}>
Napi::Value DeviceWrap::time(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto session = session_.live(env);
  return translate(env, [&]() -> Napi::Value {
    auto inputs = std::make_shared<ort::DeviceInputs>(to_inputs(info[0]));
    const auto options = info[1].As<Napi::Object>();
    const auto number = [&](const char* name) { return options.Get(name).As<Napi::Number>(); };
    const auto whole = [&](const char* name) { return static_cast<std::size_t>(number(name).Int64Value()); };
    ort::TimeRequest request{to_strings(options.Get("fetch")), whole("warmup"), whole("requests"), whole("contexts"), number("maxMilliseconds").DoubleValue()};
    return start<ort::RequestTimes>(
        env, std::move(session),
        [inputs, request = std::move(request), cancellation = to_cancellation(info, 2)](ort::DeviceSession& s) {
          return s.time(*inputs, request, *cancellation);
        },
        [](Napi::Env e, const ort::RequestTimes& times) { return times_to_js(e, times); });
  });
}

/// endProfiling(): Promise<string>, the path of the profile; call it when no request is under way
Napi::Value DeviceWrap::end_profiling(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return translate(env, [&]() -> Napi::Value {
    return start<std::string>(
        env, session_.live(env), [](ort::DeviceSession& s) { return s.end_profiling(); },
        [](Napi::Env e, const std::string& path) { return Napi::String::New(e, path); });
  });
}

Napi::Value DeviceWrap::dispose(const Napi::CallbackInfo& info) { return session_.dispose(info.Env()); }

Napi::Value DeviceWrap::compare(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto reference = Unwrap(info[0].As<Napi::Object>())->session_.live(env);
  auto candidate = Unwrap(info[2].As<Napi::Object>())->session_.live(env);
  return translate(env, [&]() -> Napi::Value {
    auto expected = std::make_shared<ort::DeviceInputs>(to_inputs(info[1]));
    auto given = std::make_shared<ort::DeviceInputs>(to_inputs(info[3]));
    return start<std::vector<ort::ComparedOutput>>(
        env, std::move(reference),
        [candidate = std::move(candidate), expected, given, names = to_strings(info[4]), cancellation = to_cancellation(info, 5)](ort::DeviceSession& r) {
          return ort::compare_sessions(r, *expected, *candidate, *given, names, *cancellation);
        },
        [](Napi::Env e, const std::vector<ort::ComparedOutput>& compared) { return compared_to_js(e, compared); });
  });
}

}  // namespace halfscope::addon
