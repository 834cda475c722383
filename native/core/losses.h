#pragma once

#include <cstddef>
#include <cstdint>

namespace halfscope {

/// What becomes of finite values beyond the range of a narrower type. Infinite inputs stay infinite, NaN stays NaN in both.
enum class Overflow { kToInfinity, kToLargestFinite };

/// How often a conversion of floats to a narrower type lost more than precision.
struct LossCounts {
  std::uint64_t overflowed = 0;  ///< finite, but beyond the range: became infinite or the largest finite number
  std::uint64_t flushed = 0;     ///< not zero, became zero
  std::uint64_t subnormal = 0;   ///< became a subnormal of the narrower type: fewer bits left
  std::uint64_t nan = 0;
  std::uint64_t inf = 0;  ///< infinite before the conversion
};

/// Magnitudes, as bits of a float, between which a type loses what.
struct LossLimits {
  std::uint32_t overflow_from;
  std::uint32_t flushed_up_to;
  std::uint32_t normal_from;  ///< smaller ones that are not flushed become subnormal
};

LossCounts count_losses(const void* source, std::size_t count, LossLimits limits);

}  // namespace halfscope
