#pragma once

// What multiply.cc and operand.cc choose from by instruction set. All sets give the same bits, a NaN's payload aside.

#include <cstddef>

#include "core/cpu.h"

namespace halfscope::products {

/// Largest tile of any kernel.
constexpr std::size_t kTallestTile = 16;
constexpr std::size_t kWidestTile = 32;

/// tile[i * stride + j] = the sum over k of left[k * rows + i] * right[k * columns + j], k ascending, by FP32 FMAs; the accumulators are rounded to FP16
/// (nearest even, overflow to Infinity) after every `chunk` products and at the end of `depth`; a zero is +0 then. With `resume` they start from what is in
/// the tile, otherwise from zero. Panels are on a 64-byte boundary.
using HalfKernel = void (*)(const float* left, const float* right, std::size_t depth, std::size_t chunk, float* tile, std::size_t stride, bool resume);

struct HalfTile {
  std::size_t rows;
  std::size_t columns;
  HalfKernel run[kTallestTile];  ///< run[n - 1] computes the first n rows alone
};
HalfTile half_tile(InstructionSet set);

/// How panels are filled, see Operand. `from` is at any alignment, steps are in elements; all `width` lanes exist. `width` is at most 8 or a multiple of 8.
/// Up to 8 floats behind the panel may be written.
struct Packers {
  /// panel[k * width + i] = from[k * k_step + i]
  void (*copy)(const unsigned char* from, std::size_t k_step, std::size_t depth, std::size_t width, float* panel);
  /// panel[k * width + i] = from[i * lane_step + k]
  void (*transpose)(const unsigned char* from, std::size_t lane_step, std::size_t depth, std::size_t width, float* panel);
};
Packers packers(InstructionSet set);

namespace scalar {
HalfTile half_tile();
Packers packers();
}  // namespace scalar
namespace avx2 {
HalfTile half_tile();
Packers packers();
}  // namespace avx2

}  // namespace halfscope::products
