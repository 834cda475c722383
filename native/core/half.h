#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cpu.h"
#include "core/losses.h"

namespace halfscope {

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
LossCounts count_half_losses(const void* source, std::size_t count);

}  // namespace halfscope
