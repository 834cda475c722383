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

/// Two bytes to four; exact, so the statistics are those of the values themselves. In blocks that stay in the first cache.
ErrorStats compare_narrow(FloatType type, const unsigned char* reference, const unsigned char* candidate, std::size_t count, InstructionSet set) {
  constexpr std::size_t kBlock = 2048;
  float r[kBlock], c[kBlock];
  const auto widen = [&](const unsigned char* from, float* to, std::size_t length) {
    if (type == FloatType::kHalf) return half_to_float(from, to, length, set);
    bfloat_to_float(from, to, length);
  };
  ErrorStats s;
  for (std::size_t from = 0; from < count; from += kBlock) {
    const std::size_t length = std::min(kBlock, count - from);
    widen(reference + 2 * from, r, length);
    widen(candidate + 2 * from, c, length);
    merge(s, compare_chunk(r, c, length, set));
  }
  return s;
}

}  // namespace

ErrorStats compare_chunk(FloatType type, const void* reference, const void* candidate, std::size_t count, InstructionSet set) {
  if (type == FloatType::kFloat) return compare_chunk(reference, candidate, count, set);
  const auto* r = static_cast<const unsigned char*>(reference);
  const auto* c = static_cast<const unsigned char*>(candidate);
  if (type == FloatType::kDouble) return compare_doubles(r, c, count);
  return compare_narrow(type, r, c, count, set);
}

}  // namespace halfscope
