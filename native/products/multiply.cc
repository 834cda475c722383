#include "products/multiply.h"

#include <algorithm>
#include <cstring>

#include "core/buffer.h"
#include "core/half.h"
#include "products/kernels.h"

namespace halfscope::products {
namespace {

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

/// Memory of the calling thread for panels; it grows and stays, so that a product costs no page faults. `which` tells apart what is used at once.
float* scratch(std::size_t which, std::size_t floats) {
  thread_local Buffer buffers[5];
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
  TileSums sums;
  Tile tile;
  bool exact;
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
void add_column_panel(const Plan& plan, const Panel& left, const Panel& right, std::size_t rows, std::size_t columns, std::size_t depth, float* out,
                      std::size_t stride, bool resume) {
  const Tile& tile = plan.tile;
  for (std::size_t row = 0; row < rows; row += tile.rows) {
    const std::size_t used = std::min(tile.rows, rows - row);
    const TileKernel run = tile.run[used - 1];
    const Panel rows_panel{left.values + row * plan.step, left.exponents == nullptr ? nullptr : left.exponents + row * plan.step};
    float* at = out + row * stride;
    if (columns == tile.columns) {
      run(rows_panel, right, depth, plan.sums, at, stride, resume);
      continue;
    }
    alignas(64) float edge[kTallestTile * kWidestTile] = {};
    for (std::size_t i = 0; resume && i < used; i++) std::memcpy(edge + i * tile.columns, at + i * stride, columns * sizeof(float));
    run(rows_panel, right, depth, plan.sums, edge, tile.columns, resume);
    for (std::size_t i = 0; i < used; i++) std::memcpy(at + i * stride, edge + i * tile.columns, columns * sizeof(float));
  }
}

/// A panel's memory in the calling thread's scratch.
struct PanelMemory {
  float* values;
  std::int16_t* exponents;  ///< null for fast kernels
  Panel panel() const { return {values, exponents}; }
};

PanelMemory panel_memory(const Plan& plan, std::size_t which, std::size_t lanes) {
  constexpr std::size_t kSlack = 16;  // what a packer may write behind a panel
  const std::size_t size = lanes * plan.step + kSlack;
  return {scratch(which, size), plan.exact ? reinterpret_cast<std::int16_t*>(scratch(which + 2, divide_up(size, 2))) : nullptr};
}

/// Packs a part of a factor at `offset` of its memory.
void pack(const Plan& plan, const Operand& operand, const PanelRange& at, const PanelMemory& memory, std::size_t offset) {
  float* values = memory.values + offset;
  operand.pack(at, values, plan.packers, plan.set);
  if (!plan.exact) return;
  const std::size_t count = (at.to - at.from) * at.width;
  round_to_half(values, values, count, Overflow::kToInfinity, plan.set);
  mark_exponents(values, count, memory.exponents + offset);
}

/// Adds k = from ... to - 1 to the block at `out` (rows `stride` apart).
void add_range(const Plan& plan, const Block& block, std::size_t from, std::size_t to, float* out, std::size_t stride) {
  const Product& p = *block.product;
  const std::size_t tall = plan.tile.rows, wide = plan.tile.columns;
  const PanelMemory left = panel_memory(plan, 0, divide_up(block.rows, tall) * tall), right = panel_memory(plan, 1, wide);
  for (std::size_t k = from; k < to; k += plan.step) {
    const std::size_t end = std::min(to, k + plan.step);
    // Every panel has room for a full step: what is written behind a short one does no harm, behind a full one it is overwritten by the next.
    for (std::size_t row = 0; row < block.rows; row += tall)
      pack(plan, *p.left, {block.row + row, std::min(tall, block.rows - row), tall, k, end}, left, row * plan.step);
    for (std::size_t column = 0; column < block.columns; column += wide) {
      const std::size_t columns = std::min(wide, block.columns - column);
      pack(plan, *p.right, {block.column + column, columns, wide, k, end}, right, 0);
      add_column_panel(plan, left.panel(), right.panel(), block.rows, columns, end - k, out + column, stride, k > from);
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
      float* other = scratch(4, block.rows * block.columns);
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

std::vector<Block> blocks_of(const std::vector<Product>& products, const Tile& tile, std::size_t threads) {
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
  const bool exact = options.sums != Sums::kHalf;
  const ChipModel& chip = chip_model(options.chip);
  constexpr std::size_t kStep = 256;
  // A chunk longer than K is rounded at the end as well.
  const std::size_t chunk = std::clamp<std::size_t>(exact ? chip.group : options.chunk, 1, std::max<std::size_t>(1, products[0].depth));
  const Plan plan{{chunk, &chip, options.sums == Sums::kHalfExact},
                  exact ? exact_tile(machine.set, chip) : half_tile(machine.set),
                  exact,
                  packers(machine.set),
                  machine.set,
                  std::max<std::size_t>(1, kStep / chunk) * chunk,
                  pieces_of(products[0].depth, chunk, options.pieces)};
  const auto blocks = blocks_of(products, plan.tile, std::max<std::size_t>(1, machine.threads));
  machine.parallel_for(blocks.size(), [&](std::size_t i) { compute(plan, blocks[i]); });
}

}  // namespace halfscope::products
