#pragma once

// bfloat16: the upper 16 bits of binary32. As core/half.h, with other numbers.

#include <cstddef>
#include <cstdint>

#include "core/cpu.h"
#include "core/losses.h"

namespace halfscope {

/// One value, round to nearest even with subnormals. Finite values beyond the range, which ends halfway above (2 - 2^-7) * 2^127, become infinite or
/// the largest finite number; a NaN keeps its sign and upper payload and turns quiet.
std::uint16_t bfloat_from_float_bits(std::uint32_t bits, Overflow overflow);

/// destination[i] = float(bfloat(source[i])). Source and destination may be the same; they must not overlap otherwise. Sources of any alignment here
/// and below.
void round_to_bfloat(const void* source, float* destination, std::size_t count, Overflow overflow, InstructionSet set = instruction_set());

/// destination[i] = bfloat(source[i]), two bytes each; any alignment on both sides.
void float_to_bfloat(const void* source, void* destination, std::size_t count, Overflow overflow, InstructionSet set = instruction_set());
void bfloat_to_float(const void* source, float* destination, std::size_t count);

/// Counts over `count` floats, whatever the overflow policy.
LossCounts count_bfloat_losses(const void* source, std::size_t count);

}  // namespace halfscope
