#include "products/kernels.h"

#include <algorithm>
#include <cstring>

namespace halfscope::products {
namespace scalar {
namespace {

void copy(const unsigned char* from, std::size_t k_step, std::size_t depth, std::size_t width, float* panels, std::size_t count, std::size_t panel_step) {
  for (std::size_t k = 0; k < depth; k++, from += k_step * sizeof(float), panels += width) {
    for (std::size_t p = 0; p < count; p++) std::memcpy(panels + p * panel_step, from + p * width * sizeof(float), width * sizeof(float));
  }
}

void transpose(const unsigned char* from, std::size_t lane_step, std::size_t depth, std::size_t width, float* panel) {
  for (std::size_t k = 0; k < depth; k++) {
    for (std::size_t i = 0; i < width; i++) std::memcpy(panel++, from + (i * lane_step + k) * sizeof(float), sizeof(float));
  }
}

}  // namespace

void gather(const unsigned char* from, std::size_t k_step, std::size_t depth, const LaneRun* runs, std::size_t count, std::size_t, float* panel, std::size_t) {
  for (std::size_t k = 0; k < depth; k++, from += k_step * sizeof(float)) {
    for (std::size_t r = 0; r < count; r++) {
      for (std::size_t i = 0; i < runs[r].lanes; i++, panel++) {
        if (runs[r].from < 0) *panel = 0.0f;
        else std::memcpy(panel, from + (static_cast<std::size_t>(runs[r].from) + i * runs[r].step) * sizeof(float), sizeof(float));
      }
    }
  }
}

Packers packers() { return {copy, transpose, gather}; }

}  // namespace scalar

Tile half_tile(InstructionSet set) {
  switch (set) {
    case InstructionSet::kScalar: break;
    case InstructionSet::kAvx2: return avx2::half_tile();
    case InstructionSet::kAvx512: return avx512::half_tile();
  }
  return scalar::half_tile();
}

Tile plain_tile(InstructionSet set) {
  switch (set) {
    case InstructionSet::kScalar: break;
    case InstructionSet::kAvx2: return avx2::plain_tile();
    case InstructionSet::kAvx512: return avx512::plain_tile();
  }
  return scalar::plain_tile();
}

Packers packers(InstructionSet set) { return set == InstructionSet::kScalar ? scalar::packers() : avx2::packers(); }

Tile exact_tile(InstructionSet set, const ChipModel& chip) {
  const bool vectors = set != InstructionSet::kScalar && chip.group <= 16 && chip.fraction_bits <= 25 &&
                       chip.half_result == FinalRounding::kNearestEven && chip.float_result == FinalRounding::kTowardZero;
  return vectors ? avx2::exact_tile() : scalar::exact_tile();
}

void mark_exponents(const float* values, std::size_t count, std::int16_t* exponents) {
  for (std::size_t i = 0; i < count; i++) {
    std::int32_t bits;
    std::memcpy(&bits, values + i, sizeof(bits));
    const std::int32_t magnitude = bits & 0x7fffffff;
    std::int32_t exponent = std::max((magnitude >> 23) - 127, -14);
    exponent = magnitude == 0 ? kZeroMark : exponent;
    exponent = magnitude >= 0x7f800000 ? kSpecialMark : exponent;
    exponents[i] = static_cast<std::int16_t>(exponent);
  }
}

#if !defined(__x86_64__)
namespace avx2 {  // never chosen
Tile half_tile() { return scalar::half_tile(); }
Tile plain_tile() { return scalar::plain_tile(); }
Tile exact_tile() { return scalar::exact_tile(); }
Packers packers() { return scalar::packers(); }
}  // namespace avx2
namespace avx512 {
Tile half_tile() { return scalar::half_tile(); }
Tile plain_tile() { return scalar::plain_tile(); }
}  // namespace avx512
#endif

}  // namespace halfscope::products
