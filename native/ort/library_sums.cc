#include "ort/library_sums.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>

#include "core/buffer.h"
#include "ort/library.h"
#include "products/operators.h"

namespace halfscope::ort {
namespace {

/// A matrix of floats from -1 to 1 whose sums differ in some bit whenever they are added in another order.
class Matrix {
 public:
  Matrix(std::size_t rows, std::size_t columns, std::uint32_t seed)
      : dims_{static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns)}, data_(rows * columns * sizeof(float)) {
    std::uint32_t state = seed;
    for (std::size_t i = 0; i < rows * columns; i++) {
      state = state * 1664525u + 1013904223u;  // Numerical Recipes, 2nd edition, section 7.1
      const float value = static_cast<float>(static_cast<std::int32_t>(state)) * 0x1p-31f;
      std::memcpy(data_.data() + i * sizeof(float), &value, sizeof(value));
    }
    MemoryInfo* memory = nullptr;
    check(api().CreateCpuMemoryInfo(kDeviceAllocator, kMemoryDefault, &memory), ErrorCode::kEngineRun);
    const MemoryInfoHandle owned(memory);
    Value* value = nullptr;
    check(api().CreateTensorWithDataAsOrtValue(memory, data_.data(), data_.size(), dims_.data(), dims_.size(), kElementFloat, &value), ErrorCode::kEngineRun);
    value_.reset(value);
  }
  Value* value() const { return value_.get(); }
  products::Factor factor() const { return {data_.data(), dims_}; }
  float* values() const { return reinterpret_cast<float*>(data_.data()); }
  bool same_bits(const Matrix& other) const { return std::memcmp(data_.data(), other.data_.data(), data_.size()) == 0; }

 private:
  products::Dims dims_;
  Buffer data_;
  ValueHandle value_;
};

bool try_both(const KernelContext* context, const Op* matmul, std::size_t rows, std::size_t columns, std::size_t depth, const products::Machine& machine) {
  const Matrix a(rows, depth, 1), b(depth, columns, 2), theirs(rows, columns, 3), ours(rows, columns, 4);
  const Value* inputs[] = {a.value(), b.value()};
  Value* output = theirs.value();
  check(api().InvokeOp(context, matmul, inputs, 2, &output, 1), ErrorCode::kEngineRun);
  products::matmul(products::matmul_shape(a.factor().dims, b.factor().dims), a.factor(), b.factor(), ours.values(), library_sums(columns, depth), machine);
  return theirs.same_bits(ours);
}

}  // namespace

products::SumOptions library_sums(std::size_t columns, std::size_t depth) {
  products::SumOptions sums;
  sums.sums = products::Sums::kPlain;
  sums.chunk = 128;
  if (columns < depth)
    for (std::size_t n = 128; n > 16 && n / 2 >= columns; n /= 2) sums.chunk *= 2;
  return sums;
}

bool sums_as_library(const KernelContext* context, const Op* matmul, std::size_t rows, std::size_t columns, std::size_t depth, const products::Machine& machine) {
  if (rows == 0 || columns == 0 || depth == 0) return false;
  static std::mutex guard;
  static std::map<std::array<std::size_t, 4>, bool> known;
  const std::array<std::size_t, 4> key{rows, columns, depth, machine.threads};
  {
    const std::lock_guard<std::mutex> lock(guard);
    const auto found = known.find(key);
    if (found != known.end()) return found->second;
  }
  const bool same = try_both(context, matmul, rows, columns, depth, machine);
  const std::lock_guard<std::mutex> lock(guard);
  return known[key] = same;
}

}  // namespace halfscope::ort
