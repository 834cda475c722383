#include "ort/custom_ops.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <exception>
#include <memory>
#include <string>

#include "core/rounding.h"
#include "ort/library.h"
#include "ort/shape.h"

namespace halfscope::ort {
namespace {

// ONNX Runtime calls everything below; no exception may reach it.

Status* failed(const char* message) noexcept { return api().CreateStatus(kStatusRuntimeException, message); }

template <class Body>
Status* guarded(Body body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const std::exception& error) {
    return failed(error.what());
  } catch (...) {
    return failed("unknown failure inside a halfscope operator");
  }
}

std::int64_t int_attribute(const KernelInfo* info, const char* name) {
  std::int64_t value = 0;
  check(api().KernelInfoGetAttribute_int64(info, name, &value), ErrorCode::kEngineBuild);
  return value;
}

std::size_t index_attribute(const KernelInfo* info, const char* op, const char* name, std::size_t limit) {
  const std::int64_t value = int_attribute(info, name);
  if (value >= 0 && static_cast<std::size_t>(value) < limit) return static_cast<std::size_t>(value);
  throw Error(ErrorCode::kEngineBuild, std::string("halfscope.") + op + ": attribute " + name + " is " + std::to_string(value) +
                                           ", the session has " + std::to_string(limit));
}

TensorView input(const KernelContext* context, std::size_t index) {
  const Value* value = nullptr;
  check(api().KernelContext_GetInput(context, index, &value), ErrorCode::kEngineRun);
  return view(value, ErrorCode::kEngineRun);
}

float* output(KernelContext* context, const std::vector<std::int64_t>& dims, std::size_t index = 0) {
  Value* value = nullptr;
  check(api().KernelContext_GetOutput(context, index, dims.data(), dims.size(), &value), ErrorCode::kEngineRun);
  void* data = nullptr;
  check(api().GetTensorMutableData(value, &data), ErrorCode::kEngineRun);
  return static_cast<float*>(data);
}

/// Calls body(from, count, chunk) for chunks of kChunk elements, on the session's threads when there is enough to do (BERT-large at 1x128 has tensors of exactly two chunks). `body` must not throw.
template <class Body>
void for_chunks(const KernelContext* context, std::size_t count, const Body& body) {
  struct Work {
    const Body* body;
    std::size_t count;
  } work{&body, count};
  const std::size_t chunks = (count + kChunk - 1) / kChunk;
  const auto one = [](void* data, std::size_t chunk) noexcept {
    const auto& w = *static_cast<const Work*>(data);
    const std::size_t from = chunk * kChunk;
    (*w.body)(from, std::min(kChunk, w.count - from), chunk);
  };
  if (count >= 2 * kChunk) return check(api().KernelContext_ParallelFor(context, one, chunks, 0, &work), ErrorCode::kEngineRun);
  for (std::size_t chunk = 0; chunk < chunks; chunk++) one(&work, chunk);
}

// What both operators have in common.

const char* cpu(const CustomOp*) { return "CPUExecutionProvider"; }
int float_type(const CustomOp*, std::size_t) { return kElementFloat; }
int any_type(const CustomOp*, std::size_t) { return kElementUndefined; }
int required(const CustomOp*, std::size_t) { return kRequired; }
int default_memory(const CustomOp*, std::size_t) { return kMemoryDefault; }
int one_version(const CustomOp*) { return 1; }
int any_version(const CustomOp*) { return INT_MAX; }
int variadic(const CustomOp*) { return 1; }
template <std::size_t kCount>
std::size_t constant(const CustomOp*) { return kCount; }

template <class Kernel>
void fill_common(CustomOp& op) {
  op.get_provider = cpu;
  op.get_input_type = float_type;
  op.get_output_type = float_type;
  op.get_output_count = constant<1>;
  op.get_input_characteristic = required;
  op.get_output_characteristic = required;
  op.get_input_memory_type = default_memory;
  op.get_variadic_input_min_arity = variadic;
  op.get_variadic_input_homogeneity = variadic;
  op.get_variadic_output_min_arity = variadic;
  op.get_variadic_output_homogeneity = variadic;
  op.get_start_version = one_version;
  op.get_end_version = any_version;
  op.destroy_kernel = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
  op.compute_v2 = [](void* kernel, KernelContext* context) { return guarded([&] { static_cast<Kernel*>(kernel)->compute(context); }); };
}

struct RoundKernel {
  const SessionState& state;
  std::size_t switch_index;

  void compute(KernelContext* context) const {
    const TensorView in = input(context, 0);
    const auto* source = static_cast<const float*>(in.data);
    float* destination = output(context, in.dims);
    const std::uint8_t position = state.switch_at(switch_index);
    if (position == 0) {
      // In place: nothing to do. Otherwise ONNX Runtime gave the output memory of its own (initializers, feeds, several consumers).
      if (source == destination) return;
      for_chunks(context, in.count, [&](std::size_t from, std::size_t count, std::size_t) noexcept {
        std::memcpy(destination + from, source + from, count * sizeof(float));
      });
      return;
    }
    const Rounding rounding = rounding_at(position);
    const InstructionSet set = instruction_set();
    for_chunks(context, in.count, [&](std::size_t from, std::size_t count, std::size_t) noexcept {
      round_values(source + from, destination + from, count, rounding, set);
    });
  }
};

/// The type that Compare reads; an Error for anything but floats.
FloatType float_type_of(const TensorView& reference, const TensorView& candidate, std::size_t slot) {
  if (reference.element_type == candidate.element_type) {
    switch (reference.element_type) {
      case kElementFloat: return FloatType::kFloat;
      case kElementDouble: return FloatType::kDouble;
      case kElementHalf: return FloatType::kHalf;
      case kElementBfloat: return FloatType::kBfloat;
      default: break;
    }
  }
  throw Error(ErrorCode::kEngineRun, "halfscope.Compare of slot " + std::to_string(slot) + ": expected two float tensors of one type, found types " +
                                         std::to_string(reference.element_type) + " and " + std::to_string(candidate.element_type));
}

struct CompareKernel {
  SessionState& state;
  std::size_t slot;

  void compute(KernelContext* context) const {
    const TensorView reference = input(context, 0);
    const TensorView candidate = input(context, 1);
    const FloatType type = float_type_of(reference, candidate, slot);
    const bool same_shape = reference.dims == candidate.dims;
    const ErrorStats all = same_shape ? compare(context, type, reference, candidate) : shape_mismatch(reference.count, candidate.count);
    state.add(slot, all, same_shape);
    *output(context, {1}) = static_cast<float>(all.max_abs);
  }

 private:
  static ErrorStats compare(const KernelContext* context, FloatType type, const TensorView& reference, const TensorView& candidate) {
    std::vector<ErrorStats> parts((reference.count + kChunk - 1) / kChunk);
    const auto* r = static_cast<const unsigned char*>(reference.data);
    const auto* c = static_cast<const unsigned char*>(candidate.data);
    const std::size_t width = bytes_of(type);
    const InstructionSet set = instruction_set();
    for_chunks(context, reference.count, [&](std::size_t from, std::size_t count, std::size_t chunk) noexcept {
      parts[chunk] = compare_chunk(type, r + from * width, c + from * width, count, set);
    });
    ErrorStats all;
    for (const auto& part : parts) merge(all, part);
    return all;
  }
};

struct RoundCompareKernel {
  SessionState& state;
  std::size_t switch_index;
  std::size_t slot;

  void compute(KernelContext* context) const {
    const TensorView reference = input(context, 0);
    const TensorView candidate = input(context, 1);
    const auto* source = static_cast<const float*>(candidate.data);
    float* destination = output(context, candidate.dims);
    const std::uint8_t position = state.switch_at(switch_index);
    const bool same_shape = reference.dims == candidate.dims;
    const auto* r = static_cast<const float*>(reference.data);
    if (r == destination && reference.count > 0) throw Error(ErrorCode::kEngineRun, "halfscope.RoundCompare was given the reference's memory to write to");
    const InstructionSet set = instruction_set();
    std::vector<ErrorStats> parts(same_shape ? (reference.count + kChunk - 1) / kChunk : 0);
    for_chunks(context, candidate.count, [&](std::size_t from, std::size_t count, std::size_t chunk) noexcept {
      const RoundedCandidate rounded{source + from, destination + from, rounding_at(position)};
      if (position != 0 && same_shape) {
        parts[chunk] = round_and_compare_chunk(r + from, rounded, count, set);
        return;
      }
      if (position != 0) round_values(rounded.source, rounded.destination, count, rounded.rounding, set);
      else if (source != destination) std::memcpy(rounded.destination, rounded.source, count * sizeof(float));
      if (same_shape) parts[chunk] = compare_chunk(r + from, rounded.destination, count, set);
    });
    ErrorStats all;
    if (!same_shape) all = shape_mismatch(reference.count, candidate.count);
    for (const auto& part : parts) merge(all, part);
    state.add(slot, all, same_shape);
    *output(context, {1}, 1) = static_cast<float>(all.max_abs);
  }
};

struct DiffersKernel {
  SessionState& state;
  std::size_t slot;

  void compute(KernelContext* context) const {
    const TensorView reference = input(context, 0);
    const TensorView candidate = input(context, 1);
    const int type = reference.element_type;
    if (type != candidate.element_type || !is_integer(type)) {
      throw Error(ErrorCode::kEngineRun, "halfscope.Differs of slot " + std::to_string(slot) + ": expected two tensors of integers or booleans of one type, "
                                         "found types " + std::to_string(type) + " and " + std::to_string(candidate.element_type));
    }
    Decision found;
    found.executions = 1;
    if (reference.dims == candidate.dims) {
      found.count = static_cast<double>(reference.count);
      scan(reference, candidate, found);
    } else {
      found.shape_mismatches = 1;
      found.count = found.differing = static_cast<double>(std::max({reference.count, candidate.count, std::size_t{1}}));
    }
    state.add(slot, found);
    *output(context, {1}) = static_cast<float>(found.differing);
  }

 private:
  static bool is_integer(int type) {
    const bool signed_or_small = type >= 2 && type <= 7;  // uint8, int8, uint16, int16, int32, int64
    return signed_or_small || type == 9 || type == 12 || type == 13;  // bool, uint32, uint64
  }

  static void scan(const TensorView& reference, const TensorView& candidate, Decision& found) {
    const std::size_t width = element_bytes(reference.element_type);
    const auto* r = static_cast<const unsigned char*>(reference.data);
    const auto* c = static_cast<const unsigned char*>(candidate.data);
    if (reference.count == 0 || std::memcmp(r, c, reference.count * width) == 0) return;
    for (std::size_t i = 0; i < reference.count; i++) {
      if (std::memcmp(r + i * width, c + i * width, width) == 0) continue;
      if (found.first_index < 0) {
        found.first_index = static_cast<double>(i);
        found.reference = number_at(r + i * width, reference.element_type);
        found.candidate = number_at(c + i * width, reference.element_type);
      }
      found.differing += 1;
    }
  }

  template <class T>
  static double as(const unsigned char* at) {
    T value;
    std::memcpy(&value, at, sizeof(T));
    return static_cast<double>(value);
  }

  static double number_at(const unsigned char* at, int element_type) {
    switch (element_type) {
      case 2: case 9: return as<std::uint8_t>(at);
      case 3: return as<std::int8_t>(at);
      case 4: return as<std::uint16_t>(at);
      case 5: return as<std::int16_t>(at);
      case 6: return as<std::int32_t>(at);
      case 7: return as<std::int64_t>(at);
      case 12: return as<std::uint32_t>(at);
      case 13: return as<std::uint64_t>(at);
      default: return 0;
    }
  }
};

/// The output has the shape of the input that is rounded - if that is known. An unknown dimension arrives as -1 (two of them would become equal if passed
/// on), and a tensor of unknown rank looks like a scalar, hence the attribute.
template <std::size_t kInput>
Status* infer_round_shape(const CustomOp*, ShapeInferContext* context) {
  return guarded([&] {
    TensorTypeAndShapeInfo* info = nullptr;  // stays with the context
    check(api().ShapeInferContext_GetInputTypeShape(context, kInput, &info), ErrorCode::kEngineBuild);
    std::size_t rank = 0;
    check(api().GetDimensionsCount(info, &rank), ErrorCode::kEngineBuild);
    std::vector<std::int64_t> dims(rank);
    check(api().GetDimensions(info, dims.data(), rank), ErrorCode::kEngineBuild);
    if (std::any_of(dims.begin(), dims.end(), [](std::int64_t d) { return d < 0; })) return;
    if (rank == 0) {
      const OpAttr* attribute = nullptr;
      std::int64_t scalar = 0;
      std::size_t bytes = 0;
      Status* missing = api().ShapeInferContext_GetAttribute(context, "scalar", &attribute);
      if (missing != nullptr) return api().ReleaseStatus(missing);
      check(api().ReadOpAttr(attribute, kAttributeInt, &scalar, sizeof(scalar), &bytes), ErrorCode::kEngineBuild);
      if (scalar != 1) return;
    }
    check(api().ShapeInferContext_SetOutputTypeShape(context, 0, info), ErrorCode::kEngineBuild);
  });
}

/// May-inplace, never the alias map: that one overwrote weights and other consumers' tensors.
template <int kInput>
std::size_t rounded_in_place(int** inputs, int** outputs) {
  *inputs = new int[1]{kInput};
  *outputs = new int[1]{0};
  return 1;
}

void release_maps(int* inputs, int* outputs) {
  delete[] inputs;
  delete[] outputs;
}

}  // namespace

RoundOp::RoundOp(SessionState& session_state) : state(session_state) {
  fill_common<RoundKernel>(*this);
  get_name = [](const CustomOp*) { return "Round"; };
  get_input_count = constant<1>;
  infer_output_shape = infer_round_shape<0>;
  get_may_inplace = rounded_in_place<0>;
  release_may_inplace = release_maps;
  create_kernel_v2 = [](const CustomOp* op, const void*, const KernelInfo* info, void** kernel) {
    return guarded([&] {
      SessionState& owner = static_cast<const RoundOp*>(op)->state;
      *kernel = new RoundKernel{owner, index_attribute(info, "Round", "switch", owner.switch_count())};
    });
  };
}

CompareOp::CompareOp(SessionState& session_state) : state(session_state) {
  fill_common<CompareKernel>(*this);
  get_name = [](const CustomOp*) { return "Compare"; };
  get_input_count = constant<2>;
  get_input_type = any_type;
  create_kernel_v2 = [](const CustomOp* op, const void*, const KernelInfo* info, void** kernel) {
    return guarded([&] {
      SessionState& owner = static_cast<const CompareOp*>(op)->state;
      *kernel = new CompareKernel{owner, index_attribute(info, "Compare", "slot", owner.slot_count())};
    });
  };
}

RoundCompareOp::RoundCompareOp(SessionState& session_state) : state(session_state) {
  fill_common<RoundCompareKernel>(*this);
  get_name = [](const CustomOp*) { return "RoundCompare"; };
  get_input_count = constant<2>;
  get_output_count = constant<2>;
  infer_output_shape = infer_round_shape<1>;
  get_may_inplace = rounded_in_place<1>;
  release_may_inplace = release_maps;
  create_kernel_v2 = [](const CustomOp* op, const void*, const KernelInfo* info, void** kernel) {
    return guarded([&] {
      SessionState& owner = static_cast<const RoundCompareOp*>(op)->state;
      *kernel = new RoundCompareKernel{owner, index_attribute(info, "RoundCompare", "switch", owner.switch_count()),
                                       index_attribute(info, "RoundCompare", "slot", owner.slot_count())};
    });
  };
}

DiffersOp::DiffersOp(SessionState& session_state) : state(session_state) {
  fill_common<DiffersKernel>(*this);
  get_name = [](const CustomOp*) { return "Differs"; };
  get_input_count = constant<2>;
  get_input_type = any_type;
  create_kernel_v2 = [](const CustomOp* op, const void*, const KernelInfo* info, void** kernel) {
    return guarded([&] {
      SessionState& owner = static_cast<const DiffersOp*>(op)->state;
      *kernel = new DiffersKernel{owner, index_attribute(info, "Differs", "slot", owner.decision_count())};
    });
  };
}

}  // namespace halfscope::ort
