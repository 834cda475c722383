#pragma once

#include <array>
#include <cstddef>
#include <limits>

#include "core/cpu.h"
#include "core/rounding.h"

namespace halfscope {

constexpr std::size_t kExponentBins = 64;
constexpr int kExponentBias = 40;

/// The native form of `ErrorStats` in packages/core/src/error-stats.ts: the same fields in the order of its `statsFields`, then the
/// exponent bins, all FP64, so that an array of these is the flat block that the TypeScript side reads.
struct ErrorStats {
  double count = 0;
  double max_abs = 0;
  double max_index = -1;
  double max_reference = 0;
  double max_candidate = 0;
  double sum_abs = 0;
  double sum_squared_error = 0;
  double sum_squared_reference = 0;
  double max_ulp = 0;
  double sum_ulp = 0;
  double min_reference = std::numeric_limits<double>::infinity();
  double max_reference_value = -std::numeric_limits<double>::infinity();
  double min_candidate = std::numeric_limits<double>::infinity();
  double max_candidate_value = -std::numeric_limits<double>::infinity();
  double nan_reference = 0;
  double nan_candidate = 0;
  double inf_reference = 0;
  double inf_candidate = 0;
  double overflowed = 0;
  double flushed = 0;
  double subnormal_reference = 0;
  double subnormal_candidate = 0;
  double non_finite_mismatch = 0;
  std::array<double, kExponentBins> exponents{};
};
constexpr std::size_t kStatsWidth = 23 + kExponentBins;
static_assert(sizeof(ErrorStats) == kStatsWidth * sizeof(double), "read as a flat block of doubles");

/// Elements that are summed as one. Larger tensors are cut here and merged in order, so no figure depends on how many threads helped.
constexpr std::size_t kChunk = std::size_t{1} << 16;

/// Statistics of up to kChunk pairs; pointers of any alignment.
ErrorStats compare_chunk(const void* reference, const void* candidate, std::size_t count, InstructionSet set = instruction_set());

/// A candidate that is rounded as it is compared. Source and destination may be the same; they must not overlap otherwise.
struct RoundedCandidate {
  const float* source;
  float* destination;
  Rounding rounding;
};

/// Rounds up to kChunk values, and statistics of the pairs with what they became: while each block is in the first cache.
ErrorStats round_and_compare_chunk(const void* reference, const RoundedCandidate& candidate, std::size_t count, InstructionSet set = instruction_set());

/// What tensors that are compared hold. FP16 and bfloat16 are FP32 numbers with fewer bits; FP64 is compared as it is. Ulps are FP16's in all of them.
enum class FloatType { kFloat, kDouble, kHalf, kBfloat };
constexpr std::size_t bytes_of(FloatType type) { return type == FloatType::kDouble ? 8 : type == FloatType::kFloat ? 4 : 2; }

/// The same for pairs of any type.
ErrorStats compare_chunk(FloatType type, const void* reference, const void* candidate, std::size_t count, InstructionSet set = instruction_set());

/// One side of a comparison.
struct TypedFloats {
  FloatType type;
  const void* data;  ///< of any alignment
};

/// The same for sides of two types: an FP16 engine's tensor against the FP32 reference's. Both are widened, which is exact.
ErrorStats compare_chunk(TypedFloats reference, TypedFloats candidate, std::size_t count, InstructionSet set = instruction_set());

/// Appends `later`, whose elements lie behind those of `into`.
void merge(ErrorStats& into, const ErrorStats& later);

}  // namespace halfscope
