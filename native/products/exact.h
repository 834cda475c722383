#pragma once

#include <cstddef>

#include "products/chip_models.h"

namespace halfscope::products {

/// accumulator + the sum of left[i * left_step] * right[i * right_step] over `count` products, at most a group, as one instruction of the chip gives it; the
/// result is an FP16 value with `half`, else an FP32 value. The factors are FP16 values, the accumulator is of the result's type. As in IEEE 754, a NaN, an
/// infinity times zero and infinities of both signs give NaN; a sum of zero is +0.
float add_group(const ChipModel& chip, bool half, float accumulator, const float* left, std::size_t left_step, const float* right, std::size_t right_step,
                std::size_t count);

}  // namespace halfscope::products
