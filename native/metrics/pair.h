#pragma once

// One pair at a time: the definition of every figure, used by the scalar kernel and by the vector kernel for pairs that are not finite.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "metrics/error_stats.h"

namespace halfscope {

inline float load_float(const void* base, std::size_t index) {
  float value;
  std::memcpy(&value, static_cast<const unsigned char*>(base) + index * sizeof(float), sizeof(float));
  return value;
}

inline std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

/// 1 / (FP16 ulp at this magnitude): 2^(10 - clamp(floor(log2 |r|), -14, 15)). The biased exponent is moved straight into a float's.
inline float inverse_half_ulp(std::uint32_t magnitude) {
  const std::uint32_t exponent = std::clamp<std::uint32_t>(magnitude >> 23, 113u, 142u);
  const std::uint32_t bits = (264u - exponent) << 23;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

inline std::size_t exponent_bin(std::uint32_t magnitude) {
  const int bin = static_cast<int>(magnitude >> 23) - 127 + kExponentBias;
  return static_cast<std::size_t>(std::clamp(bin, 0, static_cast<int>(kExponentBins) - 1));
}

/// Folds the pair at `index` into everything but `count`.
inline void fold_pair(ErrorStats& s, float reference, float candidate, std::size_t index) {
  constexpr std::uint32_t kInfinity = 0x7f800000u;
  constexpr std::uint32_t kSmallestNormalHalf = 0x38800000u;
  const std::uint32_t r = bits_of(reference) & 0x7fffffffu;
  const std::uint32_t c = bits_of(candidate) & 0x7fffffffu;
  const bool finite_reference = r < kInfinity;
  const bool finite_candidate = c < kInfinity;
  s.nan_reference += r > kInfinity;
  s.nan_candidate += c > kInfinity;
  s.inf_reference += r == kInfinity;
  s.inf_candidate += c == kInfinity;
  s.overflowed += finite_reference && c == kInfinity;
  s.flushed += r != 0 && r <= kInfinity && c == 0;
  s.subnormal_reference += r != 0 && r < kSmallestNormalHalf;
  s.subnormal_candidate += c != 0 && c < kSmallestNormalHalf;
  if (finite_reference) {
    s.min_reference = std::min(s.min_reference, static_cast<double>(reference));
    s.max_reference_value = std::max(s.max_reference_value, static_cast<double>(reference));
    s.exponents[exponent_bin(r)] += 1;
  }
  if (finite_candidate) {
    s.min_candidate = std::min(s.min_candidate, static_cast<double>(candidate));
    s.max_candidate_value = std::max(s.max_candidate_value, static_cast<double>(candidate));
  }
  const bool both_finite = finite_reference && finite_candidate;
  const bool same_infinity = r == kInfinity && c == kInfinity && std::signbit(reference) == std::signbit(candidate);
  if (!both_finite && !same_infinity) {
    s.non_finite_mismatch += 1;
    return;
  }
  const double error = both_finite ? std::abs(static_cast<double>(reference) - static_cast<double>(candidate)) : 0.0;
  if (error > s.max_abs || s.max_index < 0) {
    s.max_abs = error;
    s.max_index = static_cast<double>(index);
    s.max_reference = reference;
    s.max_candidate = candidate;
  }
  if (!both_finite) return;
  const double ulp = error * inverse_half_ulp(r);
  s.sum_abs += error;
  s.sum_squared_error += error * error;
  s.sum_squared_reference += static_cast<double>(reference) * static_cast<double>(reference);
  s.max_ulp = std::max(s.max_ulp, ulp);
  s.sum_ulp += ulp;
}

}  // namespace halfscope
