#include <algorithm>

#include "products/exact.h"
#include "products/kernels.h"

namespace halfscope::products::scalar {
namespace {

constexpr std::size_t kRows = 4;
constexpr std::size_t kColumns = 8;

template <std::size_t kCount>
void run(const Panel& left, const Panel& right, std::size_t depth, const TileSums& sums, float* tile, std::size_t stride, bool resume) {
  for (std::size_t i = 0; i < kCount; i++) {
    for (std::size_t j = 0; j < kColumns; j++) {
      float sum = resume ? tile[i * stride + j] : 0.0f;
      for (std::size_t k = 0; k < depth; k += sums.chunk) {
        const std::size_t count = std::min(sums.chunk, depth - k);
        sum = add_group(*sums.chip, sums.half, sum, left.values + k * kRows + i, kRows, right.values + k * kColumns + j, kColumns, count);
      }
      tile[i * stride + j] = sum;
    }
  }
}

}  // namespace

Tile exact_tile() { return {kRows, kColumns, {run<1>, run<2>, run<3>, run<4>}, {}}; }

}  // namespace halfscope::products::scalar
