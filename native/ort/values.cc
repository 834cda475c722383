#include "ort/values.h"

#include <cstring>
#include <string>
#include <utility>

#include "ort/shape.h"

namespace halfscope::ort {
namespace {

/// Bits per element of the types that can be handed out, by number in TensorProto.DataType; 0 for the others.
std::size_t element_bits(int element_type) {
  switch (element_type) {
    case 25: case 26: return 2;           // uint2, int2
    case 21: case 22: case 23: return 4;  // uint4, int4, float4e2m1
    case 24: return 8;                    // float8e8m0
    case 14: return 64;                   // complex64
    case 15: return 128;                  // complex128
    default: return 8 * element_bytes(element_type);
  }
}

Buffer copy_texts(const Value* value, std::size_t count) {
  std::size_t bytes = 0;
  check(api().GetStringTensorDataLength(value, &bytes), ErrorCode::kEngineRun);
  std::vector<char> content(bytes + 1);
  std::vector<std::size_t> offsets(count + 1);
  if (count > 0) check(api().GetStringTensorContent(value, content.data(), bytes, offsets.data(), count), ErrorCode::kEngineRun);
  offsets[count] = bytes;
  Buffer copy(4 * count + bytes);
  unsigned char* to = copy.data();
  for (std::size_t i = 0; i < count; i++) {
    const auto length = static_cast<std::uint32_t>(offsets[i + 1] - offsets[i]);
    std::memcpy(to, &length, 4);
    std::memcpy(to + 4, content.data() + offsets[i], length);
    to += 4 + length;
  }
  return copy;
}

std::optional<Tensor> copy_tensor(const Value* value) {
  const TensorView tensor = view(value, ErrorCode::kEngineRun);
  if (tensor.element_type == kElementString) return Tensor{tensor.element_type, tensor.dims, copy_texts(value, tensor.count)};
  const std::size_t bits = element_bits(tensor.element_type);
  if (bits == 0) return std::nullopt;
  Buffer copy((tensor.count * bits + 7) / 8);
  if (copy.size() > 0) std::memcpy(copy.data(), tensor.data, copy.size());
  return Tensor{tensor.element_type, tensor.dims, std::move(copy)};
}

std::optional<Fetched> copy_sequence(const Value* value) {
  Allocator* allocator = nullptr;
  check(api().GetAllocatorWithDefaultOptions(&allocator), ErrorCode::kEngineRun);
  std::size_t count = 0;
  check(api().GetValueCount(value, &count), ErrorCode::kEngineRun);
  Fetched fetched{true, {}};
  for (std::size_t i = 0; i < count; i++) {
    Value* raw = nullptr;
    check(api().GetValue(value, static_cast<int>(i), allocator, &raw), ErrorCode::kEngineRun);
    const ValueHandle element(raw);
    int is_tensor = 0;
    check(api().IsTensor(raw, &is_tensor), ErrorCode::kEngineRun);
    auto tensor = is_tensor != 0 ? copy_tensor(raw) : std::nullopt;
    if (!tensor) return std::nullopt;
    fetched.tensors.push_back(std::move(*tensor));
  }
  return fetched;
}

}  // namespace

std::optional<Fetched> copy_value(const Value* value) {
  if (value == nullptr) return std::nullopt;
  int there = 0;
  check(api().HasValue(value, &there), ErrorCode::kEngineRun);
  if (there == 0) return std::nullopt;
  int type = 0;
  check(api().GetValueType(value, &type), ErrorCode::kEngineRun);
  if (type == kOnnxTypeSequence) return copy_sequence(value);
  if (type != kOnnxTypeTensor) return std::nullopt;
  auto tensor = copy_tensor(value);
  if (!tensor) return std::nullopt;
  Fetched fetched;
  fetched.tensors.push_back(std::move(*tensor));
  return fetched;
}

int tensor_type(const Value* value) {
  int is_tensor = 0;
  check(api().IsTensor(value, &is_tensor), ErrorCode::kFeed);
  return is_tensor == 0 ? 0 : view(value, ErrorCode::kFeed).element_type;
}

std::shared_ptr<const Value> make_value(const Buffer& model) {
  const auto ok = [](Status* status) { check(status, ErrorCode::kFeed); };
  SessionOptions* raw_options = nullptr;
  ok(api().CreateSessionOptions(&raw_options));
  const SessionOptionsHandle options(raw_options);
  ok(api().SetIntraOpNumThreads(raw_options, 1));
  ok(api().SetSessionGraphOptimizationLevel(raw_options, kOptimizationDisabled));
  Session* raw_session = nullptr;
  ok(api().CreateSessionFromArray(environment(), model.data(), model.size(), raw_options, &raw_session));
  const std::shared_ptr<Session> session(raw_session, [](Session* made) { api().ReleaseSession(made); });
  Allocator* allocator = nullptr;
  ok(api().GetAllocatorWithDefaultOptions(&allocator));
  char* raw_name = nullptr;
  ok(api().SessionGetOutputName(raw_session, 0, allocator, &raw_name));
  const std::string name = raw_name;
  ok(api().AllocatorFree(allocator, raw_name));
  const char* names[] = {name.c_str()};
  Value* value = nullptr;
  ok(api().Run(raw_session, nullptr, nullptr, nullptr, 0, names, 1, &value));
  if (value == nullptr) throw Error(ErrorCode::kFeed, "the model that makes a value made none");
  // The session stays as long as its value: an initializer that is an output may lie in the session's memory.
  return std::shared_ptr<const Value>(value, [session](const Value* made) { api().ReleaseValue(const_cast<Value*>(made)); });
}

}  // namespace halfscope::ort
