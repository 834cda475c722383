#pragma once

#include <cstddef>
#include <string_view>

namespace halfscope::products {

/// How an exact sum is brought to the type of the result.
enum class FinalRounding { kNearestEven, kTowardZero };

/// What one tensor-core instruction does with FP16 factors. A group of products and the accumulator are aligned at once: of each, what lies below
/// 2^-fraction_bits of the largest exponent among them is cut off (toward zero); what is left is added exactly and rounded once. The exponent of a
/// product is the sum of its factors' exponents, before normalisation; subnormals count with the smallest normal exponent, zeros not at all.
struct ChipModel {
  std::string_view name;        ///< as packages/core/src/plan.ts has it
  std::size_t group;            ///< products along K that are added at once
  int fraction_bits;            ///< 23, as FP32 has, and the chip's extra bits
  FinalRounding half_result;    ///< with an FP16 accumulator; overflows to Infinity
  FinalRounding float_result;   ///< with an FP32 accumulator
  int least_exponent;           ///< with an FP16 accumulator: the exponent that is aligned to is at least this
};

/// Groups, extra bits and roundings after F. A. Khattak and M. Mikaitis, "Accurate Models of NVIDIA Tensor Cores", arXiv:2512.07004 (2025). Hopper's agree
/// with every bit that an H200 gave (test/hardware/mma-h200); the others are the paper's word.
const ChipModel& chip_model(std::size_t index);
constexpr std::size_t kChips = 4;

}  // namespace halfscope::products
