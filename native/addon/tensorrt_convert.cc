#include "addon/tensorrt_convert.h"

#include "addon/convert.h"

namespace halfscope::addon {
namespace {

std::string text(const Napi::Object& object, const char* name) { return object.Get(name).As<Napi::String>().Utf8Value(); }
bool flag(const Napi::Object& object, const char* name) { return object.Get(name).As<Napi::Boolean>().Value(); }
int number(const Napi::Object& object, const char* name) { return object.Get(name).As<Napi::Number>().Int32Value(); }

Napi::Value dims_to_js(Napi::Env env, const trt::Dims& dims) {
  auto array = Napi::Array::New(env, dims.size());
  for (std::size_t i = 0; i < dims.size(); i++) array.Set(static_cast<std::uint32_t>(i), static_cast<double>(dims[i]));
  return array;
}

template <class Item, class Convert>
Napi::Value list_to_js(Napi::Env env, const std::vector<Item>& list, Convert convert) {
  auto array = Napi::Array::New(env, list.size());
  for (std::size_t i = 0; i < list.size(); i++) array.Set(static_cast<std::uint32_t>(i), convert(list[i]));
  return array;
}

const char* name_of(trt::Severity severity) {
  switch (severity) {
    case trt::Severity::kInternalError: return "internal-error";
    case trt::Severity::kError: return "error";
    case trt::Severity::kWarning: return "warning";
    case trt::Severity::kInfo: break;
  }
  return "info";
}

Napi::Value tensor_to_js(Napi::Env env, const trt::NetworkTensor& tensor) {
  auto entry = Napi::Object::New(env);
  entry.Set("name", tensor.name);
  entry.Set("type", tensor.type);
  entry.Set("dims", dims_to_js(env, tensor.dims));
  entry.Set("shapeTensor", tensor.shape_tensor);
  entry.Set("symbols", to_js(env, tensor.symbols));
  return entry;
}

}  // namespace

trt::BuildRequest to_build_request(const Napi::Object& options) {
  trt::BuildRequest request;
  request.path = text(options, "path");
  if (options.Get("model").IsTypedArray()) request.model = copy_bytes(options.Get("model"));
  request.precision = static_cast<trt::Precision>(number(options, "precision"));
  request.half = number(options, "half");
  request.constraints = static_cast<trt::Constraints>(number(options, "constraints"));
  const auto pins = options.Get("pins").As<Napi::Array>();
  for (std::uint32_t i = 0; i < pins.Length(); i++) {
    const auto pin = pins.Get(i).As<Napi::Object>();
    request.pins.push_back({text(pin, "node"), flag(pin, "half")});
  }
  request.observe = to_strings(options.Get("observe"));
  request.how = static_cast<trt::Observe>(number(options, "how"));
  request.prefer_half = flag(options, "preferHalf");
  request.type_constants = flag(options, "typeConstants");
  const auto profiles = options.Get("profiles").As<Napi::Array>();
  for (std::uint32_t p = 0; p < profiles.Length(); p++) {
    const auto ranges = profiles.Get(p).As<Napi::Array>();
    trt::Profile profile;
    for (std::uint32_t i = 0; i < ranges.Length(); i++) {
      const auto range = ranges.Get(i).As<Napi::Object>();
      profile.push_back({text(range, "input"), to_dims(range.Get("min")), to_dims(range.Get("opt")), to_dims(range.Get("max"))});
    }
    request.profiles.push_back(std::move(profile));
  }
  const auto pools = options.Get("pools").As<Napi::Array>();
  for (std::uint32_t i = 0; i < pools.Length(); i++) {
    const auto limit = pools.Get(i).As<Napi::Object>();
    request.pools.push_back({static_cast<trt::Pool>(number(limit, "pool")), static_cast<std::uint64_t>(limit.Get("bytes").As<Napi::Number>().Int64Value())});
  }
  request.optimization_level = number(options, "optimizationLevel");
  request.strict_nans = flag(options, "strictNans");
  request.tf32 = flag(options, "tf32");
  request.use_timing_cache = options.Get("timingCache").IsTypedArray();
  if (request.use_timing_cache) request.timing_cache = copy_bytes(options.Get("timingCache"));
  return request;
}

trt::Feed to_feed(const Napi::Value& list) {
  const auto array = list.As<Napi::Array>();
  trt::Feed feed;
  for (std::uint32_t i = 0; i < array.Length(); i++) {
    const auto entry = array.Get(i).As<Napi::Object>();
    const auto data = entry.Get("data").As<Napi::Uint8Array>();
    feed.push_back({text(entry, "name"), number(entry, "type"), to_dims(entry.Get("dims")), data.Data(), data.ByteLength()});
  }
  return feed;
}

Napi::Value to_js(Napi::Env env, const std::vector<trt::Message>& messages) {
  return list_to_js(env, messages, [&](const trt::Message& message) -> Napi::Value {
    auto entry = Napi::Object::New(env);
    entry.Set("severity", name_of(message.severity));
    entry.Set("text", message.text);
    entry.Set("count", static_cast<double>(message.count));
    return entry;
  });
}

Napi::Value to_js(Napi::Env env, const std::vector<trt::NotObserved>& list) {
  return list_to_js(env, list, [&](const trt::NotObserved& item) -> Napi::Value {
    auto entry = Napi::Object::New(env);
    entry.Set("tensor", item.tensor);
    entry.Set("reason", item.reason);
    return entry;
  });
}

Napi::Value to_js(Napi::Env env, const std::vector<trt::IoTensor>& list) {
  return list_to_js(env, list, [&](const trt::IoTensor& io) -> Napi::Value {
    auto entry = Napi::Object::New(env);
    entry.Set("name", io.name);
    entry.Set("type", io.type);
    entry.Set("dims", dims_to_js(env, io.dims));
    entry.Set("input", io.input);
    entry.Set("onHost", io.on_host);
    return entry;
  });
}

Napi::Value to_js(Napi::Env env, const trt::NetworkDescription& description) {
  const auto tensors = [&](const std::vector<trt::NetworkTensor>& list) {
    return list_to_js(env, list, [&](const trt::NetworkTensor& tensor) { return tensor_to_js(env, tensor); });
  };
  auto result = Napi::Object::New(env);
  result.Set("inputs", tensors(description.inputs));
  result.Set("outputs", tensors(description.outputs));
  result.Set("layers", list_to_js(env, description.layers, [&](const trt::NetworkLayer& layer) -> Napi::Value {
               auto entry = Napi::Object::New(env);
               entry.Set("name", layer.name);
               entry.Set("node", layer.node);
               entry.Set("type", layer.type);
               entry.Set("outputs", tensors(layer.outputs));
               return entry;
             }));
  result.Set("messages", to_js(env, description.messages));
  return result;
}

Napi::Value to_js(Napi::Env env, trt::BuildOutcome outcome) {
  auto result = Napi::Object::New(env);
  result.Set("plan", to_uint8_array(env, std::move(outcome.plan)));
  result.Set("timingCache", to_uint8_array(env, std::move(outcome.timing_cache)));
  result.Set("outputs", to_js(env, outcome.outputs));
  result.Set("observed", to_js(env, outcome.observed));
  result.Set("notObserved", to_js(env, outcome.not_observed));
  result.Set("pinsNotFound", to_js(env, outcome.pins_not_found));
  result.Set("messages", to_js(env, outcome.messages));
  result.Set("seconds", outcome.seconds);
  return result;
}

Napi::Value to_js(Napi::Env env, std::vector<trt::HostTensor> tensors) {
  auto array = Napi::Array::New(env, tensors.size());
  for (std::size_t i = 0; i < tensors.size(); i++) {
    auto entry = Napi::Object::New(env);
    entry.Set("name", tensors[i].name);
    entry.Set("type", tensors[i].type);
    entry.Set("dims", dims_to_js(env, tensors[i].dims));
    // Where it was written into memory of the caller's, that is the data.
    if (!tensors[i].given) entry.Set("data", to_uint8_array(env, std::move(tensors[i].data)));
    array.Set(static_cast<std::uint32_t>(i), entry);
  }
  return array;
}

}  // namespace halfscope::addon
