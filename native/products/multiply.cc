#include "products/multiply.h"

#include <algorithm>
#include <cstring>

#include "core/buffer.h"
#include "products/kernels.h"

namespace halfscope::products {
namespace {

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

/// Memory of the calling thread for panels; it grows and stays, so that a product costs no page faults. `which` tells apart what is used at once.
float* scratch(std::size_t which, std::size_t floats) {
  thread_local Buffer buffers[4];
  if (buffers[which].size() < floats * sizeof(float)) buffers[which] = Buffer(floats * sizeof(float));
  return reinterpret_cast<float*>(buffers[which].data());
}

float load(const void* data, std::size_t index) {
  float value;
  std::memcpy(&value, static_cast<const unsigned char*>(data) + index * sizeof(float), sizeof(float));
  return value;
}

/// Rows [row, row + rows) and columns [column, column + columns) of a product.
struct Block {
  const Product* product;
  std::size_t row, rows, column, columns;
};

void finish(const Block& block) {
  const Product& p = *block.product;
  const Epilogue& e = p.epilogue;
  if (e.bias == nullptr && e.alpha == 1.0f) return;
  for (std::size_t i = block.row; i < block.row + block.rows; i++) {
    float* row = p.out + i * p.columns;
    for (std::size_t j = block.column; j < block.column + block.columns; j++) {
      const float scaled = e.alpha * row[j];
      if (e.bias == nullptr) {
        row[j] = scaled;
        continue;
      }
      const float bias = e.beta * load(e.bias, i * e.bias_row_step + j * e.bias_column_step);
      row[j] = scaled + bias;
    }
  }
}

/// Borders of the pieces that K is cut into: multiples of the chunk, as even as possible.
std::vector<std::size_t> pieces_of(std::size_t depth, std::size_t chunk, std::size_t pieces) {
  const std::size_t chunks = divide_up(depth, chunk);
  const std::size_t count = std::max<std::size_t>(1, std::min(pieces, chunks));
  std::vector<std::size_t> borders;
  for (std::size_t i = 0; i <= count; i++) borders.push_back(std::min(depth, chunks * i / count * chunk));
  return borders;
}

/// Adds k = from ... to - 1 to the block at `out` (rows `stride` apart).
void add_range(const Block& block, std::size_t from, std::size_t to, const SumOptions& sums, const HalfTile& tile, InstructionSet set, float* out,
               std::size_t stride) {
  const Product& p = *block.product;
  const std::size_t step = std::max<std::size_t>(1, 256 / sums.chunk) * sums.chunk;
  const std::size_t row_panels = divide_up(block.rows, tile.rows), column_panels = divide_up(block.columns, tile.columns);
  for (std::size_t k = from; k < to; k += step) {
    const std::size_t depth = std::min(step, to - k);
    float* left = scratch(0, row_panels * tile.rows * step);
    for (std::size_t r = 0; r < row_panels; r++) {
      const std::size_t first = r * tile.rows;
      p.left->pack(block.row + first, std::min(tile.rows, block.rows - first), tile.rows, k, k + depth, left + first * step, set);
    }
    float* right = scratch(1, tile.columns * step);
    for (std::size_t c = 0; c < column_panels; c++) {
      const std::size_t column = c * tile.columns, columns = std::min(tile.columns, block.columns - column);
      p.right->pack(block.column + column, columns, tile.columns, k, k + depth, right, set);
      for (std::size_t r = 0; r < row_panels; r++) {
        const std::size_t row = r * tile.rows, rows = std::min(tile.rows, block.rows - row);
        float* at = out + row * stride + column;
        if (rows == tile.rows && columns == tile.columns) {
          tile.run(left + row * step, right, depth, sums.chunk, at, stride, k > from);
          continue;
        }
        float edge[kTallestTile * kWidestTile] = {};
        for (std::size_t i = 0; k > from && i < rows; i++) std::memcpy(edge + i * tile.columns, at + i * stride, columns * sizeof(float));
        tile.run(left + row * step, right, depth, sums.chunk, edge, tile.columns, k > from);
        for (std::size_t i = 0; i < rows; i++) std::memcpy(at + i * stride, edge + i * tile.columns, columns * sizeof(float));
      }
    }
  }
}

void compute(const Block& block, const SumOptions& sums, const std::vector<std::size_t>& pieces, InstructionSet set) {
  const Product& p = *block.product;
  const HalfTile tile = half_tile(set);
  float* out = p.out + block.row * p.columns + block.column;
  if (p.depth == 0) {
    for (std::size_t i = 0; i < block.rows; i++) std::fill_n(out + i * p.columns, block.columns, 0.0f);
  } else {
    add_range(block, pieces[0], pieces[1], sums, tile, set, out, p.columns);
    for (std::size_t piece = 1; piece + 1 < pieces.size(); piece++) {
      float* other = scratch(2, block.rows * block.columns);
      add_range(block, pieces[piece], pieces[piece + 1], sums, tile, set, other, block.columns);
      for (std::size_t i = 0; i < block.rows; i++)
        for (std::size_t j = 0; j < block.columns; j++) out[i * p.columns + j] += other[i * block.columns + j];
    }
  }
  finish(block);
}

}  // namespace

HalfTile half_tile(InstructionSet) { return scalar::half_tile(); }

void multiply(const std::vector<Product>& products, const SumOptions& sums, const Machine& machine) {
  constexpr std::size_t kRows = 192, kColumns = 128;
  std::vector<Block> blocks;
  for (const auto& p : products) {
    for (std::size_t column = 0; column < p.columns; column += kColumns)
      for (std::size_t row = 0; row < p.rows; row += kRows)
        blocks.push_back({&p, row, std::min(kRows, p.rows - row), column, std::min(kColumns, p.columns - column)});
  }
  const auto pieces = pieces_of(products.empty() ? 0 : products[0].depth, sums.chunk, sums.pieces);
  machine.parallel_for(blocks.size(), [&](std::size_t i) { compute(blocks[i], sums, pieces, machine.set); });
}

}  // namespace halfscope::products
