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
  thread_local Buffer buffers[3];
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

/// What all blocks of one call share.
struct Plan {
  const SumOptions& sums;
  HalfTile tile;
  Packers packers;
  InstructionSet set;
  std::size_t step;                 ///< products along K per pass: so many that a panel of the right factor fits into the L1 cache
  std::vector<std::size_t> pieces;  ///< borders along K
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

/// The tiles of one panel of the right factor.
void add_column_panel(const Plan& plan, const float* left, const float* right, std::size_t rows, std::size_t columns, std::size_t depth, float* out,
                      std::size_t stride, bool resume) {
  const HalfTile& tile = plan.tile;
  for (std::size_t row = 0; row < rows; row += tile.rows) {
    const std::size_t used = std::min(tile.rows, rows - row);
    const HalfKernel run = tile.run[used - 1];
    float* at = out + row * stride;
    if (columns == tile.columns) {
      run(left + row * plan.step, right, depth, plan.sums.chunk, at, stride, resume);
      continue;
    }
    alignas(64) float edge[kTallestTile * kWidestTile] = {};
    for (std::size_t i = 0; resume && i < used; i++) std::memcpy(edge + i * tile.columns, at + i * stride, columns * sizeof(float));
    run(left + row * plan.step, right, depth, plan.sums.chunk, edge, tile.columns, resume);
    for (std::size_t i = 0; i < used; i++) std::memcpy(at + i * stride, edge + i * tile.columns, columns * sizeof(float));
  }
}

/// Adds k = from ... to - 1 to the block at `out` (rows `stride` apart).
void add_range(const Plan& plan, const Block& block, std::size_t from, std::size_t to, float* out, std::size_t stride) {
  constexpr std::size_t kSlack = 16;  // what a packer may write behind a panel
  const Product& p = *block.product;
  const std::size_t tall = plan.tile.rows, wide = plan.tile.columns;
  float* left = scratch(0, divide_up(block.rows, tall) * tall * plan.step + kSlack);
  float* right = scratch(1, wide * plan.step + kSlack);
  for (std::size_t k = from; k < to; k += plan.step) {
    const std::size_t end = std::min(to, k + plan.step);
    // Every panel has room for a full step: what is written behind a short one does no harm, behind a full one it is overwritten by the next.
    for (std::size_t row = 0; row < block.rows; row += tall)
      p.left->pack({block.row + row, std::min(tall, block.rows - row), tall, k, end}, left + row * plan.step, plan.packers, plan.set);
    for (std::size_t column = 0; column < block.columns; column += wide) {
      const std::size_t columns = std::min(wide, block.columns - column);
      p.right->pack({block.column + column, columns, wide, k, end}, right, plan.packers, plan.set);
      add_column_panel(plan, left, right, block.rows, columns, end - k, out + column, stride, k > from);
    }
  }
}

void compute(const Plan& plan, const Block& block) {
  const Product& p = *block.product;
  float* out = p.out + block.row * p.columns + block.column;
  if (p.depth == 0) {
    for (std::size_t i = 0; i < block.rows; i++) std::fill_n(out + i * p.columns, block.columns, 0.0f);
  } else {
    add_range(plan, block, plan.pieces[0], plan.pieces[1], out, p.columns);
    for (std::size_t piece = 1; piece + 1 < plan.pieces.size(); piece++) {
      float* other = scratch(2, block.rows * block.columns);
      add_range(plan, block, plan.pieces[piece], plan.pieces[piece + 1], other, block.columns);
      for (std::size_t i = 0; i < block.rows; i++)
        for (std::size_t j = 0; j < block.columns; j++) out[i * p.columns + j] += other[i * block.columns + j];
    }
  }
  finish(block);
}

/// `count` in equal parts of at most `most`, multiples of `unit`: the size of one.
std::size_t even_part(std::size_t count, std::size_t most, std::size_t unit) {
  const std::size_t parts = std::max<std::size_t>(1, divide_up(count, std::max(most, unit)));
  return std::max(unit, divide_up(divide_up(count, parts), unit) * unit);
}

std::vector<Block> blocks_of(const std::vector<Product>& products, const HalfTile& tile, std::size_t threads) {
  // So many rows that their panels of one step stay in the L2 cache. Columns: all of them, so that rows are packed once, unless there are too few
  // blocks for the threads.
  constexpr std::size_t kMostRows = 384;
  constexpr std::size_t kFewestColumns = 64;
  std::vector<Block> blocks;
  for (const auto& p : products) {
    if (p.rows == 0 || p.columns == 0) continue;
    const std::size_t rows = even_part(p.rows, kMostRows, tile.rows);
    const std::size_t others = divide_up(p.rows, rows) * products.size();
    const std::size_t wanted = threads == 1 ? 1 : divide_up(4 * threads, others);
    const std::size_t columns = even_part(p.columns, std::max(kFewestColumns, divide_up(p.columns, wanted)), tile.columns);
    for (std::size_t column = 0; column < p.columns; column += columns)
      for (std::size_t row = 0; row < p.rows; row += rows)
        blocks.push_back({&p, row, std::min(rows, p.rows - row), column, std::min(columns, p.columns - column)});
  }
  return blocks;
}

}  // namespace

void multiply(const std::vector<Product>& products, const SumOptions& options, const Machine& machine) {
  if (products.empty()) return;
  SumOptions sums = options;
  sums.chunk = std::clamp<std::size_t>(sums.chunk, 1, std::max<std::size_t>(1, products[0].depth));  // a longer one is rounded at the end as well
  const HalfTile tile = half_tile(machine.set);
  constexpr std::size_t kStep = 256;
  const std::size_t step = std::max<std::size_t>(1, kStep / sums.chunk) * sums.chunk;
  const Plan plan{sums, tile, packers(machine.set), machine.set, step, pieces_of(products[0].depth, sums.chunk, sums.pieces)};
  const auto blocks = blocks_of(products, tile, std::max<std::size_t>(1, machine.threads));
  machine.parallel_for(blocks.size(), [&](std::size_t i) { compute(plan, blocks[i]); });
}

}  // namespace halfscope::products
