#include "products/exact.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "core/half.h"

namespace halfscope::products {
namespace {

/// significand * 2^exponent-of-its-last-bit, and the exponent that the chip aligns by.
struct Term {
  std::int64_t significand;  ///< signed
  int last;
  int exponent;
};

std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

Term term_of_half(float value) {
  const std::uint16_t half = half_from_float_bits(bits_of(value));
  const int field = std::max(1, (half >> 10) & 31);
  const std::int64_t mantissa = (half & 0x3ff) | (((half >> 10) & 31) != 0 ? 0x400 : 0);
  return {(half & 0x8000) != 0 ? -mantissa : mantissa, field - 25, field - 15};
}

Term term_of_float(float value) {
  const std::uint32_t bits = bits_of(value);
  const int field = std::max(1, static_cast<int>((bits >> 23) & 255));
  const std::int64_t mantissa = (bits & 0x7fffff) | (((bits >> 23) & 255) != 0 ? 0x800000 : 0);
  return {(bits >> 31) != 0 ? -mantissa : mantissa, field - 150, field - 127};
}

/// In units of 2^unit, cut toward zero.
std::int64_t aligned(const Term& term, int unit) {
  const std::int64_t magnitude = std::abs(term.significand);
  const int shift = term.last - unit;
  const std::int64_t moved = shift >= 0 ? magnitude << shift : shift <= -63 ? 0 : magnitude >> -shift;
  return term.significand < 0 ? -moved : moved;
}

/// sum * 2^unit, rounded once to `bits` significant bits, its last bit not below 2^least.
double rounded(std::int64_t sum, int unit, int bits, int least, FinalRounding rounding) {
  const std::uint64_t magnitude = static_cast<std::uint64_t>(std::abs(sum));
  int length = 0;
  while (length < 63 && (magnitude >> length) != 0) length++;
  const int drop = std::max({0, length - bits, least - unit});
  if (drop > 62) return 0;
  std::uint64_t kept = magnitude >> drop;
  if (rounding == FinalRounding::kNearestEven && drop > 0) {
    const std::uint64_t rest = magnitude & ((std::uint64_t{1} << drop) - 1), half = std::uint64_t{1} << (drop - 1);
    if (rest > half || (rest == half && (kept & 1) != 0)) kept++;
  }
  const double value = std::ldexp(static_cast<double>(kept), unit + drop);
  return sum < 0 ? -value : value;
}

}  // namespace

float add_group(const ChipModel& chip, bool half, float accumulator, const float* left, std::size_t left_step, const float* right, std::size_t right_step,
                std::size_t count) {
  float special = accumulator;  // an infinity or NaN if there is one
  bool finite = std::isfinite(accumulator);
  Term terms[17];
  std::size_t used = 0;
  for (std::size_t i = 0; i < count; i++) {
    const float a = left[i * left_step], b = right[i * right_step];
    if (!std::isfinite(a) || !std::isfinite(b)) {
      special = finite ? a * b : special + a * b;
      finite = false;
      continue;
    }
    const Term x = term_of_half(a), y = term_of_half(b);
    if (x.significand != 0 && y.significand != 0) terms[used++] = {x.significand * y.significand, x.last + y.last, x.exponent + y.exponent};
  }
  if (!finite) return special;
  if (accumulator != 0.0f) terms[used++] = half ? term_of_half(accumulator) : term_of_float(accumulator);
  if (used == 0) return 0.0f;
  int exponent = terms[0].exponent;
  for (std::size_t i = 1; i < used; i++) exponent = std::max(exponent, terms[i].exponent);
  if (half) exponent = std::max(exponent, chip.least_exponent);
  const int unit = exponent - chip.fraction_bits;
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < used; i++) sum += aligned(terms[i], unit);
  if (!half) return static_cast<float>(rounded(sum, unit, 24, -149, chip.float_result)) + 0.0f;
  const double value = rounded(sum, unit, 11, -24, chip.half_result);
  if (std::abs(value) > 65504.0) return std::copysign(std::numeric_limits<float>::infinity(), static_cast<float>(value));
  return static_cast<float>(value) + 0.0f;
}

}  // namespace halfscope::products
