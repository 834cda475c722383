#pragma once

// What multiply.cc and operand.cc choose from by instruction set. All sets give the same bits, a NaN's payload aside.

#include <cstddef>
#include <cstdint>

#include "core/cpu.h"
#include "products/chip_models.h"

namespace halfscope::products {

/// Largest tile of any kernel.
constexpr std::size_t kTallestTile = 16;
constexpr std::size_t kWidestTile = 32;

/// Part of a factor, packed: values[k * width + i] and, for the exact kernels, the exponents that the chip aligns by. On a 64-byte boundary.
struct Panel {
  const float* values;
  const std::int16_t* exponents;
};

/// How a tile's products are summed, k ascending.
struct TileSums {
  std::size_t chunk;      ///< fast kernels: products between two roundings, plain ones: that are summed from zero; exact ones: products that are added at once
  const ChipModel* chip;  ///< exact kernels
  bool half;              ///< exact kernels: the accumulator is FP16, else FP32
};

/// tile[i * stride + j] = the sum over k of left[k * rows + i] * right[k * columns + j]. With `resume` sums go on from what is in the tile, otherwise they start
/// from zero. A sum of zero is +0.
using TileKernel = void (*)(const Panel& left, const Panel& right, std::size_t depth, const TileSums& sums, float* tile, std::size_t stride, bool resume);

struct Tile {
  std::size_t rows;
  std::size_t columns;
  TileKernel run[kTallestTile];     ///< run[n - 1] computes the first n rows alone
  TileKernel narrow[kTallestTile];  ///< the same for the first half of the columns; null where there is none
};

/// Fast: FP32 FMAs; the accumulators are rounded to FP16 (nearest even, overflow to Infinity) after every chunk and at the end of the depth.
Tile half_tile(InstructionSet set);

/// Plain: FP32 FMAs; the products of every chunk are summed from zero, and the chunks' sums added in FP32.
Tile plain_tile(InstructionSet set);

/// Exact: groups as add_group in exact.h. Panels hold FP16 values.
Tile exact_tile(InstructionSet set, const ChipModel& chip);

/// What exact kernels read beside FP16 values: the exponent, that of a subnormal being -14; marks for zeros and for what is not finite that stay apart from
/// all exponents when two are added.
constexpr std::int16_t kZeroMark = -4096;
constexpr std::int16_t kSpecialMark = 8192;
void mark_exponents(const float* values, std::size_t count, std::int16_t* exponents);

/// Neighbouring lanes of a panel that are filled from one place.
struct LaneRun {
  std::size_t lanes;
  std::ptrdiff_t from;  ///< where the first lane's value is, in elements; negative: all lanes are zero
  std::size_t step;     ///< elements from one lane's value to the next's
};

/// How panels are filled, see Operand. `from` is at any alignment, steps are in elements; all `width` lanes exist. `width` is at most 8 or a multiple of 8.
/// Up to 8 floats behind the panel may be written.
struct Packers {
  /// panels[p * panel_step + k * width + i] = from[k * k_step + p * width + i], for `count` panels
  void (*copy)(const unsigned char* from, std::size_t k_step, std::size_t depth, std::size_t width, float* panels, std::size_t count, std::size_t panel_step);
  /// panel[k * width + i] = from[i * lane_step + k]
  void (*transpose)(const unsigned char* from, std::size_t lane_step, std::size_t depth, std::size_t width, float* panel);
  /// panel[k * width + i] = the value of lane i at from + k * k_step, as the runs have it; they fill the width. `readable` elements may be read.
  void (*gather)(const unsigned char* from, std::size_t k_step, std::size_t depth, const LaneRun* runs, std::size_t count, std::size_t width, float* panel,
                 std::size_t readable);
};
Packers packers(InstructionSet set);

namespace scalar {
void gather(const unsigned char* from, std::size_t k_step, std::size_t depth, const LaneRun* runs, std::size_t count, std::size_t width, float* panel,
            std::size_t readable);
}

namespace scalar {
Tile half_tile();
Tile plain_tile();
Tile exact_tile();
Packers packers();
}  // namespace scalar
namespace avx2 {
Tile half_tile();
Tile plain_tile();
Tile exact_tile();
Packers packers();
}  // namespace avx2
namespace avx512 {
Tile half_tile();
Tile plain_tile();
}

}  // namespace halfscope::products
