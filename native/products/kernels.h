#pragma once

// Tile kernels that multiply.cc chooses from; their callers pack the factors for them.

#include <cstddef>

#include "core/cpu.h"

namespace halfscope::products {

/// Largest tile of any kernel.
constexpr std::size_t kTallestTile = 16;
constexpr std::size_t kWidestTile = 32;

/// tile[i * stride + j] = the sum over k of left[k * rows + i] * right[k * columns + j], k ascending, by FP32 FMAs; the accumulators are rounded to FP16
/// (nearest even, overflow to Infinity) after every `chunk` products and at the end of `depth`. With `resume` they start from what is in the
/// tile, otherwise from zero. Panels are on a 64-byte boundary.
using HalfKernel = void (*)(const float* left, const float* right, std::size_t depth, std::size_t chunk, float* tile, std::size_t stride, bool resume);

struct HalfTile {
  std::size_t rows;
  std::size_t columns;
  HalfKernel run;
};

/// Every kernel gives the same bits.
HalfTile half_tile(InstructionSet set);

namespace scalar { HalfTile half_tile(); }

}  // namespace halfscope::products
