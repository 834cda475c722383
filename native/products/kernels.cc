#include "products/kernels.h"

#include <cstring>

namespace halfscope::products {
namespace scalar {
namespace {

void copy(const unsigned char* from, std::size_t k_step, std::size_t depth, std::size_t width, float* panel) {
  for (std::size_t k = 0; k < depth; k++, from += k_step * sizeof(float), panel += width) std::memcpy(panel, from, width * sizeof(float));
}

void transpose(const unsigned char* from, std::size_t lane_step, std::size_t depth, std::size_t width, float* panel) {
  for (std::size_t k = 0; k < depth; k++) {
    for (std::size_t i = 0; i < width; i++) std::memcpy(panel++, from + (i * lane_step + k) * sizeof(float), sizeof(float));
  }
}

}  // namespace

Packers packers() { return {copy, transpose}; }

}  // namespace scalar

HalfTile half_tile(InstructionSet set) { return set == InstructionSet::kScalar ? scalar::half_tile() : avx2::half_tile(); }
Packers packers(InstructionSet set) { return set == InstructionSet::kScalar ? scalar::packers() : avx2::packers(); }

#if !defined(__x86_64__)
namespace avx2 {  // never chosen
HalfTile half_tile() { return scalar::half_tile(); }
Packers packers() { return scalar::packers(); }
}  // namespace avx2
#endif

}  // namespace halfscope::products
