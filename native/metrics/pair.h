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

/// IEEE 754 fields of the types that pairs have.
template <class T>
struct Format;
template <>
struct Format<float> {
  using Bits = std::uint32_t;
  static constexpr int kMantissaBits = 23, kBias = 127;
};
template <>
struct Format<double> {
  using Bits = std::uint64_t;
  static constexpr int kMantissaBits = 52, kBias = 1023;
};

/// The bits without the sign.
template <class T>
typename Format<T>::Bits magnitude_of(T value) {
  typename Format<T>::Bits bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits & ~(typename Format<T>::Bits{1} << (8 * sizeof(bits) - 1));
}

/// floor(log2 |x|); -bias for zero and subnormals.
template <class T>
int exponent_of(typename Format<T>::Bits magnitude) {
  return static_cast<int>(magnitude >> Format<T>::kMantissaBits) - Format<T>::kBias;
}

/// 1 / (FP16 ulp at this exponent): 2^(10 - clamp(exponent, -14, 15)), moved straight into a float's exponent.
inline float inverse_half_ulp(int exponent) {
  const std::uint32_t bits = static_cast<std::uint32_t>(137 - std::clamp(exponent, -14, 15)) << 23;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

inline std::size_t exponent_bin(int exponent) {
  return static_cast<std::size_t>(std::clamp(exponent + kExponentBias, 0, static_cast<int>(kExponentBins) - 1));
}

/// Folds the pair at `index` into everything but `count`.
template <class T>
void fold_pair(ErrorStats& s, T reference, T candidate, std::size_t index) {
  using Bits = typename Format<T>::Bits;
  constexpr Bits kInfinity = Bits{2 * Format<T>::kBias + 1} << Format<T>::kMantissaBits;
  constexpr Bits kSmallestNormalHalf = Bits{Format<T>::kBias - 14} << Format<T>::kMantissaBits;
  const Bits r = magnitude_of(reference);
  const Bits c = magnitude_of(candidate);
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
    s.exponents[exponent_bin(exponent_of<T>(r))] += 1;
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
  const double ulp = error * inverse_half_ulp(exponent_of<T>(r));
  s.sum_abs += error;
  s.sum_squared_error += error * error;
  s.sum_squared_reference += static_cast<double>(reference) * static_cast<double>(reference);
  s.max_ulp = std::max(s.max_ulp, ulp);
  s.sum_ulp += ulp;
}

/// -0 and 0 are one number in a range; one form of it makes every kernel print the same bits.
inline void drop_negative_zeros(ErrorStats& s) {
  s.min_reference += 0.0;
  s.max_reference_value += 0.0;
  s.min_candidate += 0.0;
  s.max_candidate_value += 0.0;
}

}  // namespace halfscope
