#pragma once

// Kernels that half.cc dispatches to; nothing else includes this.

#include <cstddef>

#include "core/half.h"

namespace halfscope::avx2 {

void round_to_half(const void* source, float* destination, std::size_t count, Overflow overflow);
void float_to_half(const void* source, void* destination, std::size_t count, Overflow overflow);
void half_to_float(const void* source, void* destination, std::size_t count);

}  // namespace halfscope::avx2
