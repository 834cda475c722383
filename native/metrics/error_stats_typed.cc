#include <algorithm>
#include <cstring>

#include "core/bfloat.h"
#include "core/half.h"
#include "metrics/error_stats.h"
#include "metrics/pair.h"

namespace halfscope {
namespace {

ErrorStats compare_doubles(const unsigned char* reference, const unsigned char* candidate, std::size_t count) {
  ErrorStats s;
  for (std::size_t i = 0; i < count; i++) {
    double r, c;
    std::memcpy(&r, reference + i * sizeof(r), sizeof(r));
    std::memcpy(&c, candidate + i * sizeof(c), sizeof(c));
    fold_pair(s, r, c, i);
  }
  s.count = static_cast<double>(count);
  drop_negative_zeros(s);
  return s;
}

void widen(TypedFloats from, std::size_t first, float* to, std::size_t length, InstructionSet set) {
  const auto* data = static_cast<const unsigned char*>(from.data) + first * bytes_of(from.type);
  if (from.type == FloatType::kHalf) return half_to_float(data, to, length, set);
  if (from.type == FloatType::kBfloat) return bfloat_to_float(data, to, length);
  std::memcpy(to, data, length * sizeof(float));
}

/// Two bytes to four; exact, so the statistics are those of the values themselves. In blocks that stay in the first cache.
ErrorStats compare_narrow(TypedFloats reference, TypedFloats candidate, std::size_t count, InstructionSet set) {
  constexpr std::size_t kBlock = 2048;
  float r[kBlock], c[kBlock];
  ErrorStats s;
  for (std::size_t from = 0; from < count; from += kBlock) {
    const std::size_t length = std::min(kBlock, count - from);
    widen(reference, from, r, length, set);
    widen(candidate, from, c, length, set);
    merge(s, compare_chunk(r, c, length, set));
  }
  return s;
}

/// A double beside something narrower: rare, so one value at a time.
ErrorStats compare_wide(TypedFloats reference, TypedFloats candidate, std::size_t count, InstructionSet set) {
  const auto at = [&](TypedFloats side, std::size_t i) {
    if (side.type != FloatType::kDouble) {
      float value;
      widen(side, i, &value, 1, set);
      return static_cast<double>(value);
    }
    double value;
    std::memcpy(&value, static_cast<const unsigned char*>(side.data) + i * sizeof(value), sizeof(value));
    return value;
  };
  ErrorStats s;
  for (std::size_t i = 0; i < count; i++) fold_pair(s, at(reference, i), at(candidate, i), i);
  s.count = static_cast<double>(count);
  drop_negative_zeros(s);
  return s;
}

}  // namespace

ErrorStats compare_chunk(FloatType type, const void* reference, const void* candidate, std::size_t count, InstructionSet set) {
  if (type == FloatType::kFloat) return compare_chunk(reference, candidate, count, set);
  const auto* r = static_cast<const unsigned char*>(reference);
  const auto* c = static_cast<const unsigned char*>(candidate);
  if (type == FloatType::kDouble) return compare_doubles(r, c, count);
  return compare_narrow({type, r}, {type, c}, count, set);
}

ErrorStats compare_chunk(TypedFloats reference, TypedFloats candidate, std::size_t count, InstructionSet set) {
  if (reference.type == candidate.type) return compare_chunk(reference.type, reference.data, candidate.data, count, set);
  const bool wide = reference.type == FloatType::kDouble || candidate.type == FloatType::kDouble;
  return wide ? compare_wide(reference, candidate, count, set) : compare_narrow(reference, candidate, count, set);
}

}  // namespace halfscope
