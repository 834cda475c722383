#pragma once

// Kernels that bfloat.cc dispatches to; nothing else includes this.

#include <cstddef>

#include "core/losses.h"

namespace halfscope::avx2 {

void round_to_bfloat(const void* source, float* destination, std::size_t count, Overflow overflow);
void float_to_bfloat(const void* source, void* destination, std::size_t count, Overflow overflow);

}  // namespace halfscope::avx2
