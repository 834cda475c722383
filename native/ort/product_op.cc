#include "ort/product_op.h"

#include <algorithm>
#include <climits>
#include <memory>
#include <optional>

#include "core/rounding.h"
#include "ort/kernel.h"
#include "ort/library_sums.h"
#include "products/operators.h"
#include "products/panels.h"

namespace halfscope::ort {
namespace {

enum class Kind { kMatMul = 0, kGemm = 1, kConv = 2 };

[[noreturn]] void unusable(const std::string& message) { throw Error(ErrorCode::kEngineBuild, "halfscope.Product: " + message); }

std::size_t bounded(const KernelInfo* info, const char* name, std::int64_t otherwise, std::int64_t from, std::int64_t to) {
  const std::int64_t value = attribute(info, name, otherwise);
  if (value >= from && value <= to) return static_cast<std::size_t>(value);
  unusable(std::string("attribute ") + name + " is " + std::to_string(value) + ", expected " + std::to_string(from) + " to " + std::to_string(to));
}

/// Version in which ONNX last changed the operator, as of `opset`: kernels are found by it.
int since_version(Kind kind, std::int64_t opset) {
  static constexpr int kMatMul[] = {1, 9, 13}, kGemm[] = {1, 6, 7, 9, 11, 13}, kConv[] = {1, 11, 22};
  const auto last = [&](const int* from, const int* to) {
    int found = *from;
    for (; from != to; from++)
      if (*from <= opset) found = *from;
    return found;
  };
  switch (kind) {
    case Kind::kMatMul: return last(std::begin(kMatMul), std::end(kMatMul));
    case Kind::kGemm: return last(std::begin(kGemm), std::end(kGemm));
    case Kind::kConv: break;
  }
  return last(std::begin(kConv), std::end(kConv));
}

class ProductKernel {
 public:
  ProductKernel(const KernelInfo* info, const ProductOp& op) : state_(op.state), threads_(op.threads) {
    kind_ = static_cast<Kind>(bounded(info, "kind", -1, 0, 2));
    const auto switches = static_cast<std::int64_t>(state_.switch_count());
    if (attribute(info, "switch", std::int64_t{-1}) >= 0) switch_ = bounded(info, "switch", -1, 0, switches - 1);
    if (attribute(info, "b_switch", std::int64_t{-1}) >= 0) b_switch_ = bounded(info, "b_switch", -1, 0, switches - 1);
    sums_.chunk = bounded(info, "chunk", 16, 1, 1 << 20);
    sums_.pieces = bounded(info, "pieces", 1, 1, 1 << 20);
    sums_.chip = bounded(info, "chip", 2, 0, 3);
    opset_ = attribute(info, "opset", std::int64_t{13});
    gemm_.trans_a = attribute(info, "transA", std::int64_t{0}) != 0;
    gemm_.trans_b = attribute(info, "transB", std::int64_t{0}) != 0;
    gemm_.alpha = attribute(info, "alpha", 1.0f);
    gemm_.beta = attribute(info, "beta", 1.0f);
    conv_.kernel_shape = attribute_list(info, "kernel_shape");
    conv_.pads = attribute_list(info, "pads");
    conv_.strides = attribute_list(info, "strides");
    conv_.dilations = attribute_list(info, "dilations");
    conv_.auto_pad = attribute(info, "auto_pad", "NOTSET");
    conv_.group = attribute(info, "group", std::int64_t{1});
    for (int inputs : {2, 3})
      if (inputs == 2 || kind_ != Kind::kMatMul) plain_.push_back(plain_op(info, inputs));
  }

  void compute(KernelContext* context) const {
    std::vector<const Value*> values = inputs(context);
    std::vector<TensorView> tensors;
    for (const Value* value : values) tensors.push_back(view(value, ErrorCode::kEngineRun));
    const std::uint8_t position = switch_ ? state_.switch_at(*switch_) : std::uint8_t{0};
    const std::uint8_t b_position = b_switch_ ? state_.switch_at(*b_switch_) : std::uint8_t{0};
    if (b_position > 2) throw Error(ErrorCode::kEngineRun, "halfscope.Product rounds B to FP16 only; its switch is at " + std::to_string(b_position));
    switch (position) {
      case 0: return run_plain(context, values, tensors, b_position);
      case 5: return run_own(context, tensors, with(products::Sums::kHalf), b_position);
      case 6: return run_own(context, tensors, with(products::Sums::kHalfExact), b_position);
      case 7: return run_own(context, tensors, with(products::Sums::kTensorCore), b_position);
      default: throw Error(ErrorCode::kEngineRun, "the switch of a halfscope.Product is 0, 5, 6 or 7, not " + std::to_string(position));
    }
  }

 private:
  /// ONNX Runtime's kernel for the operator that this one replaces.
  OpHandle plain_op(const KernelInfo* info, int input_count) const {
    std::vector<OpAttrHandle> attributes;
    const auto add = [&](const char* name, const void* data, std::size_t count, int type) {
      OpAttr* raw = nullptr;
      check(api().CreateOpAttr(name, data, static_cast<int>(count), type, &raw), ErrorCode::kEngineBuild);
      attributes.emplace_back(raw);
    };
    const auto add_list = [&](const char* name, const products::Dims& list) {
      if (!list.empty()) add(name, list.data(), list.size(), kAttributeInts);
    };
    const std::int64_t trans_a = gemm_.trans_a ? 1 : 0, trans_b = gemm_.trans_b ? 1 : 0;
    if (kind_ == Kind::kGemm) {
      add("transA", &trans_a, 1, kAttributeInt);
      add("transB", &trans_b, 1, kAttributeInt);
      add("alpha", &gemm_.alpha, 1, kAttributeFloat);
      add("beta", &gemm_.beta, 1, kAttributeFloat);
    } else if (kind_ == Kind::kConv) {
      add_list("kernel_shape", conv_.kernel_shape);
      add_list("pads", conv_.pads);
      add_list("strides", conv_.strides);
      add_list("dilations", conv_.dilations);
      add("auto_pad", conv_.auto_pad.c_str(), conv_.auto_pad.size(), kAttributeString);
      add("group", &conv_.group, 1, kAttributeInt);
    }
    std::vector<const OpAttr*> raw;
    for (const auto& handle : attributes) raw.push_back(handle.get());
    static constexpr const char* kNames[] = {"MatMul", "Gemm", "Conv"};
    const char* type_name = "T";
    const int type = kElementFloat;
    Op* op = nullptr;
    check(api().CreateOp(info, kNames[static_cast<int>(kind_)], "", since_version(kind_, opset_), &type_name, &type, 1, raw.data(), static_cast<int>(raw.size()),
                         input_count, 1, &op),
          ErrorCode::kEngineBuild);
    return OpHandle(op);
  }

  /// Without an absent C.
  std::vector<const Value*> inputs(const KernelContext* context) const {
    std::size_t count = 0;
    check(api().KernelContext_GetInputCount(context, &count), ErrorCode::kEngineRun);
    std::vector<const Value*> values;
    for (std::size_t i = 0; i < count; i++) {
      const Value* value = nullptr;
      check(api().KernelContext_GetInput(context, i, &value), ErrorCode::kEngineRun);
      if (value != nullptr) values.push_back(value);
    }
    const std::size_t most = kind_ == Kind::kMatMul ? 2 : 3;
    if (values.size() < 2 || values.size() > most)
      throw Error(ErrorCode::kEngineRun, "halfscope.Product: expected 2 to " + std::to_string(most) + " inputs, found " + std::to_string(values.size()));
    return values;
  }

  products::Dims out_dims(const std::vector<TensorView>& in) const {
    switch (kind_) {
      case Kind::kMatMul: return products::matmul_shape(in[0].dims, in[1].dims).out;
      case Kind::kGemm: return products::gemm_shape(gemm_, in[0].dims, in[1].dims, in.size() > 2 ? &in[2].dims : nullptr).out;
      case Kind::kConv: break;
    }
    return products::conv_shape(conv_, in[0].dims, in[1].dims).out;
  }

  static Value* output(KernelContext* context, const products::Dims& dims) {
    Value* value = nullptr;
    check(api().KernelContext_GetOutput(context, 0, dims.data(), dims.size(), &value), ErrorCode::kEngineRun);
    return value;
  }

  products::SumOptions with(products::Sums sums) const {
    products::SumOptions options = sums_;
    options.sums = sums;
    return options;
  }

  products::Machine machine(const KernelContext* context) const {
    return {instruction_set(), threads_, [context](std::size_t total, const std::function<void(std::size_t)>& body) { parallel_for(context, total, body); }};
  }

  void run_plain(KernelContext* context, std::vector<const Value*> values, const std::vector<TensorView>& tensors, std::uint8_t b_position) const {
    if (b_position != 0 && kind_ == Kind::kMatMul && tensors[1].dims.size() == 2) {
      // Rounding B as it is packed saves writing and reading a rounded copy: a tenth of the product's time. Only where no bit changes.
      const auto shape = products::matmul_shape(tensors[0].dims, tensors[1].dims);
      if (sums_as_library(context, plain_[0].get(), shape.rows, shape.columns, shape.depth, machine(context)))
        return run_own(context, tensors, library_sums(shape.columns, shape.depth), b_position);
    }
    Value* out = output(context, out_dims(tensors));
    ValueHandle rounded_b;
    if (b_position != 0) {
      float* rounded = round_b(context, tensors[1], b_position);
      MemoryInfo* raw = nullptr;
      check(api().CreateCpuMemoryInfo(kDeviceAllocator, kMemoryDefault, &raw), ErrorCode::kEngineRun);
      const MemoryInfoHandle memory(raw);
      Value* value = nullptr;
      check(api().CreateTensorWithDataAsOrtValue(memory.get(), rounded, tensors[1].count * sizeof(float), tensors[1].dims.data(), tensors[1].dims.size(), kElementFloat,
                                                 &value),
            ErrorCode::kEngineRun);
      rounded_b.reset(value);
      values[1] = value;
    }
    const auto& op = plain_[values.size() - 2];
    check(api().InvokeOp(context, op.get(), values.data(), static_cast<int>(values.size()), &out, 1), ErrorCode::kEngineRun);
  }

  /// In scratch memory of the calling thread, until its next call.
  static float* round_b(const KernelContext* context, const TensorView& b, std::uint8_t position) {
    constexpr std::size_t kPart = 1 << 16;
    const auto* source = static_cast<const unsigned char*>(b.data);
    float* destination = products::scratch(0, std::max<std::size_t>(1, b.count));
    parallel_for(context, (b.count + kPart - 1) / kPart, [&](std::size_t i) {
      const std::size_t from = i * kPart;
      round_values(source + from * sizeof(float), destination + from, std::min(kPart, b.count - from), rounding_at(position));
    });
    return destination;
  }

  void run_own(KernelContext* context, const std::vector<TensorView>& in, products::SumOptions options, std::uint8_t b_position) const {
    options.round_right = b_position != 0;
    options.keep_right_finite = b_position == 2;
    const products::Machine machine = this->machine(context);
    const products::Factor a{in[0].data, in[0].dims}, b{in[1].data, in[1].dims};
    std::optional<products::Factor> c;
    if (in.size() > 2) c.emplace(products::Factor{in[2].data, in[2].dims});
    const auto out = [&](const products::Dims& dims) {
      void* data = nullptr;
      check(api().GetTensorMutableData(output(context, dims), &data), ErrorCode::kEngineRun);
      return static_cast<float*>(data);
    };
    if (kind_ == Kind::kMatMul) {
      const auto shape = products::matmul_shape(a.dims, b.dims);
      products::matmul(shape, a, b, out(shape.out), options, machine);
    } else if (kind_ == Kind::kGemm) {
      const auto shape = products::gemm_shape(gemm_, a.dims, b.dims, c ? &c->dims : nullptr);
      products::gemm(shape, gemm_, a, b, c ? &*c : nullptr, out(shape.out), options, machine);
    } else {
      const auto shape = products::conv_shape(conv_, a.dims, b.dims);
      products::conv(shape, a, b, c ? &*c : nullptr, out(shape.out), options, machine);
    }
  }

  SessionState& state_;
  std::size_t threads_;
  Kind kind_ = Kind::kMatMul;
  std::optional<std::size_t> switch_, b_switch_;
  std::int64_t opset_ = 13;
  products::SumOptions sums_;
  products::GemmAttributes gemm_;
  products::ConvAttributes conv_;
  std::vector<OpHandle> plain_;  ///< for two inputs, for three
};

int float_type(const CustomOp*, std::size_t) { return kElementFloat; }
int one(const CustomOp*) { return 1; }
int two(const CustomOp*) { return 2; }

}  // namespace

ProductOp::ProductOp(SessionState& session_state, std::size_t session_threads) : state(session_state), threads(session_threads) {
  get_name = [](const CustomOp*) { return "Product"; };
  get_provider = [](const CustomOp*) { return "CPUExecutionProvider"; };
  get_input_type = float_type;
  get_output_type = float_type;
  get_input_count = [](const CustomOp*) -> std::size_t { return 1; };
  get_output_count = [](const CustomOp*) -> std::size_t { return 1; };
  get_input_characteristic = [](const CustomOp*, std::size_t) { return kVariadic; };
  get_output_characteristic = [](const CustomOp*, std::size_t) { return kRequired; };
  get_input_memory_type = [](const CustomOp*, std::size_t) { return kMemoryDefault; };
  get_variadic_input_min_arity = two;
  get_variadic_input_homogeneity = one;
  get_variadic_output_min_arity = one;
  get_variadic_output_homogeneity = one;
  get_start_version = one;
  get_end_version = [](const CustomOp*) { return INT_MAX; };
  create_kernel_v2 = [](const CustomOp* op, const void*, const KernelInfo* info, void** kernel) {
    return guarded([&] { *kernel = new ProductKernel(info, *static_cast<const ProductOp*>(op)); });
  };
  destroy_kernel = [](void* kernel) { delete static_cast<ProductKernel*>(kernel); };
  compute_v2 = [](void* kernel, KernelContext* context) { return guarded([&] { static_cast<const ProductKernel*>(kernel)->compute(context); }); };
}

}  // namespace halfscope::ort
