#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/half.h"
#include "products/kernels.h"

namespace halfscope::products::scalar {
namespace {

constexpr std::size_t kRows = 4;
constexpr std::size_t kColumns = 8;

float to_half(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  bits = float_bits_from_half(half_from_float_bits(bits));
  std::memcpy(&value, &bits, sizeof(bits));
  return value;
}

/// The definition, which the other kernels are tested against.
template <std::size_t kCount>
void run(const Panel& left, const Panel& right, std::size_t depth, const TileSums& sums, float* tile, std::size_t stride, bool resume) {
  for (std::size_t i = 0; i < kCount; i++) {
    for (std::size_t j = 0; j < kColumns; j++) {
      float sum = resume ? tile[i * stride + j] : 0.0f;
      for (std::size_t k = 0; k < depth; k++) {
        sum = std::fma(left.values[k * kRows + i], right.values[k * kColumns + j], sum);
        if ((k + 1) % sums.chunk == 0 || k + 1 == depth) sum = to_half(sum);
      }
      tile[i * stride + j] = sum + 0.0f;  // turns -0 into 0
    }
  }
}

template <std::size_t kCount>
void run_plain(const Panel& left, const Panel& right, std::size_t depth, const TileSums& sums, float* tile, std::size_t stride, bool resume) {
  for (std::size_t i = 0; i < kCount; i++) {
    for (std::size_t j = 0; j < kColumns; j++) {
      float& total = tile[i * stride + j];
      for (std::size_t from = 0; from < depth; from += sums.chunk) {
        float sum = 0;
        for (std::size_t k = from; k < std::min(depth, from + sums.chunk); k++) sum = std::fma(left.values[k * kRows + i], right.values[k * kColumns + j], sum);
        total = resume || from > 0 ? total + sum : sum;
      }
    }
  }
}

}  // namespace

Tile half_tile() { return {kRows, kColumns, {run<1>, run<2>, run<3>, run<4>}, {}}; }
Tile plain_tile() { return {kRows, kColumns, {run_plain<1>, run_plain<2>, run_plain<3>, run_plain<4>}, {}}; }

}  // namespace halfscope::products::scalar
