#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cpu.h"

namespace halfscope {

/// What becomes of finite values beyond the FP16 range. Infinite inputs stay infinite, NaN stays NaN in both.
enum class Overflow { kToInfinity, kToLargestFinite };

/// How often a conversion to FP16 lost more than precision.
struct HalfCounts {
  std::uint64_t overflowed = 0;  ///< finite, but beyond 65520: became infinite or +-65504
  std::uint64_t flushed = 0;     ///< not zero, became zero
  std::uint64_t subnormal = 0;   ///< became a subnormal half: fewer than 11 bits left
  std::uint64_t nan = 0;
  std::uint64_t inf = 0;  ///< infinite before the conversion
};

/// One value, round to nearest even with subnormals; a NaN keeps its sign and upper payload and turns quiet (as F16C does).
std::uint16_t half_from_float_bits(std::uint32_t bits);
std::uint32_t float_bits_from_half(std::uint16_t half);

// The block functions take sources of any alignment (weights lie at odd offsets in files). `set` is a parameter so that tests can run both.

/// destination[i] = float(half(source[i])). Source and destination may be the same; they must not overlap otherwise.
void round_to_half(const void* source, float* destination, std::size_t count, Overflow overflow, InstructionSet set = instruction_set());

/// destination[i] = half(source[i]), two bytes each; any alignment on both sides.
void float_to_half(const void* source, void* destination, std::size_t count, Overflow overflow, InstructionSet set = instruction_set());
void half_to_float(const void* source, void* destination, std::size_t count, InstructionSet set = instruction_set());

/// Counts over `count` floats, whatever the overflow policy.
HalfCounts count_half_losses(const void* source, std::size_t count);

}  // namespace halfscope
