#include "core/losses.h"

#include <algorithm>
#include <cstring>

namespace halfscope {

LossCounts count_losses(const void* source, std::size_t count, LossLimits limits) {
  // Signed, because processors compare signed lanes; magnitudes have no upper bit.
  constexpr std::int32_t infinity = 0x7f800000;
  const auto overflow_from = static_cast<std::int32_t>(limits.overflow_from);
  const auto flushed_up_to = static_cast<std::int32_t>(limits.flushed_up_to);
  const auto normal_from = static_cast<std::int32_t>(limits.normal_from);
  const auto* bytes = static_cast<const unsigned char*>(source);
  LossCounts total;
  constexpr std::size_t kBlock = 1u << 16;  // 32-bit counters inside a block let the compiler vectorise the comparisons
  for (std::size_t from = 0; from < count; from += kBlock) {
    const std::size_t to = std::min(count, from + kBlock);
    std::uint32_t overflowed = 0, flushed = 0, subnormal = 0, nan = 0, inf = 0;
    for (std::size_t i = from; i < to; i++) {
      std::uint32_t bits;
      std::memcpy(&bits, bytes + i * sizeof(bits), sizeof(bits));
      const auto magnitude = static_cast<std::int32_t>(bits & 0x7fffffffu);
      nan += magnitude > infinity;
      inf += magnitude == infinity;
      overflowed += (magnitude >= overflow_from) & (magnitude < infinity);
      flushed += (magnitude > 0) & (magnitude <= flushed_up_to);
      subnormal += (magnitude > flushed_up_to) & (magnitude < normal_from);
    }
    total.overflowed += overflowed;
    total.flushed += flushed;
    total.subnormal += subnormal;
    total.nan += nan;
    total.inf += inf;
  }
  return total;
}

}  // namespace halfscope
