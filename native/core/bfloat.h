#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/half.h"

namespace halfscope {

/// The bfloat16 nearest to a float (ties to even), as the float it stands for: the upper 16 bits of binary32. Beyond the range, which ends at
/// (2 - 2^-7) * 2^127, finite values become infinite or the largest finite number. A NaN stays quiet.
inline std::uint32_t bfloat_rounded_bits(std::uint32_t bits, Overflow overflow) {
  constexpr std::uint32_t kInfinity = 0x7f800000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > kInfinity) return (bits | 0x00400000u) & 0xffff0000u;
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
  const bool overflows = magnitude < kInfinity && (rounded & 0x7fffffffu) == kInfinity;
  return overflows && overflow == Overflow::kToLargestFinite ? (bits & 0x80000000u) | 0x7f7f0000u : rounded;
}

/// destination[i] = float(bfloat16(source[i])). Any alignment of the source; both may be the same memory.
inline void round_to_bfloat(const void* source, float* destination, std::size_t count, Overflow overflow) {
  for (std::size_t i = 0; i < count; i++) {
    std::uint32_t bits;
    std::memcpy(&bits, static_cast<const unsigned char*>(source) + i * sizeof(bits), sizeof(bits));
    bits = bfloat_rounded_bits(bits, overflow);
    std::memcpy(destination + i, &bits, sizeof(bits));
  }
}

/// destination[i] = float(source[i]), exactly. Any alignment of the source.
inline void bfloat_to_float(const void* source, float* destination, std::size_t count) {
  for (std::size_t i = 0; i < count; i++) {
    std::uint16_t upper;
    std::memcpy(&upper, static_cast<const unsigned char*>(source) + i * sizeof(upper), sizeof(upper));
    const std::uint32_t bits = static_cast<std::uint32_t>(upper) << 16;
    std::memcpy(destination + i, &bits, sizeof(bits));
  }
}

}  // namespace halfscope
