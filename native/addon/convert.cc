#include "addon/convert.h"

#include <cstdlib>
#include <cstring>

namespace halfscope::addon {
namespace {

/// A block of FP64, as structures of nothing else are laid out.
Napi::Value to_doubles(Napi::Env env, const void* data, std::size_t bytes) {
  auto block = Napi::Float64Array::New(env, bytes / sizeof(double));
  if (bytes > 0) std::memcpy(block.Data(), data, bytes);
  return block;
}

}  // namespace

Napi::Error to_js(Napi::Env env, ErrorCode code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, name_of(code)));
  return error;
}

Buffer copy_bytes(const Napi::Value& value) {
  const auto array = value.As<Napi::Uint8Array>();
  Buffer copy(array.ByteLength());
  if (copy.size() > 0) std::memcpy(copy.data(), array.Data(), copy.size());
  return copy;
}

std::vector<std::string> to_strings(const Napi::Value& list) {
  const auto array = list.As<Napi::Array>();
  std::vector<std::string> strings;
  for (std::uint32_t i = 0; i < array.Length(); i++) strings.push_back(array.Get(i).As<Napi::String>().Utf8Value());
  return strings;
}

std::vector<std::int64_t> to_dims(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<std::int64_t> dims;
  for (std::uint32_t i = 0; i < array.Length(); i++) dims.push_back(array.Get(i).As<Napi::Number>().Int64Value());
  return dims;
}

ort::Tensor to_tensor(const Napi::Value& type, const Napi::Value& dims, const Napi::Value& data) {
  ort::Tensor tensor{type.As<Napi::Number>().Int32Value(), to_dims(dims), copy_bytes(data)};
  const std::size_t width = ort::element_bytes(tensor.element_type);
  if (width == 0) throw Error(ErrorCode::kEngineRun, "tensors of element type " + std::to_string(tensor.element_type) + " are not supported");
  std::size_t bytes = width;
  for (const auto d : tensor.dims) {
    if (d < 0 || __builtin_mul_overflow(bytes, static_cast<std::size_t>(d), &bytes))
      throw Error(ErrorCode::kFeed, "impossible shape " + ort::to_string(tensor.dims));
  }
  if (bytes != tensor.data.size()) {
    throw Error(ErrorCode::kFeed, "a tensor of shape " + ort::to_string(tensor.dims) + " needs " + std::to_string(bytes) + " bytes, found " +
                                      std::to_string(tensor.data.size()));
  }
  return tensor;
}

ort::SessionRequest to_session_request(const Napi::Object& options) {
  ort::SessionRequest request;
  request.model = copy_bytes(options.Get("model"));
  request.folder = options.Get("folder").As<Napi::String>().Utf8Value();
  request.threads = options.Get("threads").As<Napi::Number>().Int32Value();
  request.optimization = options.Get("optimization").As<Napi::Number>().Int32Value();
  request.prepacking = options.Get("prepacking").As<Napi::Boolean>().Value();
  request.switch_count = static_cast<std::size_t>(options.Get("switchCount").As<Napi::Number>().Int64Value());
  request.slot_count = static_cast<std::size_t>(options.Get("slotCount").As<Napi::Number>().Int64Value());
  request.decision_count = static_cast<std::size_t>(options.Get("decisionCount").As<Napi::Number>().Int64Value());
  const auto weights = options.Get("weights").As<Napi::Array>();
  for (std::uint32_t i = 0; i < weights.Length(); i++) {
    const auto weight = weights.Get(i).As<Napi::Object>();
    ort::WeightInput input;
    input.name = weight.Get("name").As<Napi::String>().Utf8Value();
    input.path = weight.Get("path").As<Napi::String>().Utf8Value();
    input.offset = static_cast<std::uint64_t>(weight.Get("offset").As<Napi::Number>().Int64Value());
    input.bytes = static_cast<std::uint64_t>(weight.Get("lengthBytes").As<Napi::Number>().Int64Value());
    input.dims = to_dims(weight.Get("dims"));
    input.switch_index = weight.Get("switch").As<Napi::Number>().Int64Value();
    request.weights.push_back(std::move(input));
  }
  return request;
}

Napi::Value to_js(Napi::Env env, const std::vector<std::string>& list) {
  auto array = Napi::Array::New(env, list.size());
  for (std::size_t i = 0; i < list.size(); i++) array.Set(static_cast<std::uint32_t>(i), list[i]);
  return array;
}

Napi::Value to_js(Napi::Env env, const std::vector<double>& values) { return to_doubles(env, values.data(), values.size() * sizeof(double)); }

Napi::Value to_uint8_array(Napi::Env env, Buffer buffer) {
  const std::size_t size = buffer.size();
  if (size == 0) return Napi::Uint8Array::New(env, 0);
  const auto free_memory = [](Napi::BasicEnv, void* memory) { std::free(memory); };
  const auto memory = Napi::ArrayBuffer::New(env, buffer.data(), size, free_memory);
  buffer.release();  // JS has it now; where it could not take it, it is still ours
  return Napi::Uint8Array::New(env, size, memory, 0);
}

Napi::Value to_block(Napi::Env env, const ErrorStats* stats, std::size_t count) {
  auto block = Napi::Float64Array::New(env, count * kStatsWidth);
  if (count > 0) std::memcpy(block.Data(), stats, count * sizeof(ErrorStats));
  return block;
}

Napi::Value to_io_list(Napi::Env env, const std::vector<ort::IoInfo>& list) {
  auto array = Napi::Array::New(env, list.size());
  for (std::size_t i = 0; i < list.size(); i++) {
    const auto& io = list[i];
    auto dims = Napi::Array::New(env, io.dims.size());
    for (std::size_t d = 0; d < io.dims.size(); d++) {
      Napi::Value dim = env.Undefined();
      if (io.dims[d] >= 0) {
        dim = Napi::Number::New(env, static_cast<double>(io.dims[d]));
      } else if (!io.symbols[d].empty()) {
        dim = Napi::String::New(env, io.symbols[d]);
      }
      dims.Set(static_cast<std::uint32_t>(d), dim);
    }
    auto entry = Napi::Object::New(env);
    entry.Set("name", io.name);
    entry.Set("type", io.element_type);
    entry.Set("dims", dims);
    array.Set(static_cast<std::uint32_t>(i), entry);
  }
  return array;
}

Napi::Object to_js(Napi::Env env, ort::Tensor tensor) {
  auto dims = Napi::Array::New(env, tensor.dims.size());
  for (std::size_t d = 0; d < tensor.dims.size(); d++) dims.Set(static_cast<std::uint32_t>(d), static_cast<double>(tensor.dims[d]));
  auto entry = Napi::Object::New(env);
  entry.Set("type", tensor.element_type);
  entry.Set("dims", dims);
  entry.Set("data", to_uint8_array(env, std::move(tensor.data)));
  return entry;
}

Napi::Value to_js(Napi::Env env, ort::RunOutcome outcome) {
  auto outputs = Napi::Array::New(env);
  for (auto& [name, tensor] : outcome.outputs) {
    auto entry = to_js(env, std::move(tensor));
    entry.Set("name", name);
    outputs.Set(outputs.Length(), entry);
  }
  auto sequences = Napi::Array::New(env);
  for (auto& [name, tensors] : outcome.sequences) {
    auto elements = Napi::Array::New(env, tensors.size());
    for (std::size_t i = 0; i < tensors.size(); i++) elements.Set(static_cast<std::uint32_t>(i), to_js(env, std::move(tensors[i])));
    auto entry = Napi::Object::New(env);
    entry.Set("name", name);
    entry.Set("elements", elements);
    sequences.Set(sequences.Length(), entry);
  }
  auto output_stats = Napi::Array::New(env);
  for (const auto& [name, stats] : outcome.output_stats) {
    auto entry = Napi::Object::New(env);
    entry.Set("name", name);
    entry.Set("block", to_block(env, &stats, 1));
    output_stats.Set(output_stats.Length(), entry);
  }
  const auto& [stats, executions, decisions] = outcome.collected;
  auto result = Napi::Object::New(env);
  result.Set("outputs", outputs);
  result.Set("sequences", sequences);
  result.Set("outputStats", output_stats);
  result.Set("notFetched", to_js(env, outcome.not_fetched));
  result.Set("stats", to_block(env, stats.data(), stats.size()));
  result.Set("executions", to_doubles(env, executions.data(), executions.size() * sizeof(Executions)));
  result.Set("decisions", to_doubles(env, decisions.data(), decisions.size() * sizeof(Decision)));
  result.Set("seconds", outcome.seconds);
  return result;
}

}  // namespace halfscope::addon
