#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cpu.h"
#include "core/error.h"
#include "core/losses.h"

namespace halfscope {

enum class NarrowType { kHalf, kBfloat };

/// What a switch that is on does to a value.
struct Rounding {
  NarrowType type = NarrowType::kHalf;
  Overflow overflow = Overflow::kToInfinity;
};

// Positions of a switch, as packages/core/src/plan.ts has them: 0 is off, 1 and 2 round to FP16, 3 and 4 to bfloat16; the even ones keep finite values
// finite.
constexpr std::uint8_t kLastPosition = 4;
// Positions 5 to 7 say how a product sums.
constexpr std::uint8_t kLastSumPosition = 7;
constexpr Rounding rounding_at(std::uint8_t position) {
  if (position < 1 || position > kLastPosition) throw Error(ErrorCode::kEngineRun, "the switch of a rounding is 0 to 4; what is beyond says how products sum");
  return {position > 2 ? NarrowType::kBfloat : NarrowType::kHalf, position % 2 == 0 ? Overflow::kToLargestFinite : Overflow::kToInfinity};
}

/// destination[i] = the nearest value of the type. Sources of any alignment; both may be the same memory.
void round_values(const void* source, float* destination, std::size_t count, Rounding rounding, InstructionSet set = instruction_set());

}  // namespace halfscope
