#include "core/rounding.h"

#include "core/bfloat.h"
#include "core/half.h"

namespace halfscope {

void round_values(const void* source, float* destination, std::size_t count, Rounding rounding, InstructionSet set) {
  if (rounding.type == NarrowType::kBfloat) return round_to_bfloat(source, destination, count, rounding.overflow, set);
  round_to_half(source, destination, count, rounding.overflow, set);
}

}  // namespace halfscope
