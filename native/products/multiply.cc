#include "products/multiply.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <unordered_map>

#include "core/half.h"
#include "products/panels.h"

namespace halfscope::products {
namespace {

/// Products along K per pass: so many that a panel of the right factor, with one of the left, fits into 32 KB of L1 cache.
constexpr std::size_t step_of(std::size_t tile_columns) { return tile_columns <= 16 ? 256 : 192; }
/// Columns whose panels are packed together: they stay in the L2 cache beside those of the rows.
constexpr std::size_t kGroupColumns = 128;
/// So many rows that their panels of one step stay in the L2 cache.
constexpr std::size_t kMostRows = 384;
constexpr std::size_t kFewestColumns = 64;
/// Blocks per thread: the last one to finish is not waited for too long.
constexpr std::size_t kBlocksPerThread = 4;
/// Largest left factor that is packed as a whole, in floats.
constexpr std::size_t kLargestPacked = std::size_t{1} << 22;

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

float load(const void* data, std::size_t index) {
  float value;
  std::memcpy(&value, static_cast<const unsigned char*>(data) + index * sizeof(float), sizeof(float));
  return value;
}

/// Rows [row, row + rows) and columns [column, column + columns) of a product.
struct Block {
  const Product* product;
  const PackedOperand* left;  ///< null: the block packs its rows itself
  std::size_t row, rows, column, columns;
};

/// What all blocks of one call share.
struct Plan {
  TileSums sums;
  Tile tile;
  PanelMaker maker;
  std::size_t step;                 ///< step_of the tile as a multiple of the chunk
  std::vector<std::size_t> pieces;  ///< borders along K
  bool half_sums;                   ///< what the pieces give is added in FP16
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

/// One tile: all of its columns exist, or it is computed aside.
void add_tile(const Plan& plan, const Panel& left, const Panel& right, std::size_t rows, std::size_t columns, std::size_t depth, float* out,
              std::size_t stride, bool resume) {
  const Tile& tile = plan.tile;
  const bool narrow = columns <= tile.columns / 2 && tile.narrow[rows - 1] != nullptr;
  const TileKernel run = narrow ? tile.narrow[rows - 1] : tile.run[rows - 1];
  if (columns == tile.columns) return run(left, right, depth, plan.sums, out, stride, resume);
  alignas(64) float edge[kTallestTile * kWidestTile] = {};
  for (std::size_t i = 0; resume && i < rows; i++) std::memcpy(edge + i * tile.columns, out + i * stride, columns * sizeof(float));
  run(left, right, depth, plan.sums, edge, tile.columns, resume);
  for (std::size_t i = 0; i < rows; i++) std::memcpy(out + i * stride, edge + i * tile.columns, columns * sizeof(float));
}

/// Adds k = from ... to - 1 to the block at `out` (rows `stride` apart).
void add_range(const Plan& plan, const Block& block, std::size_t from, std::size_t to, float* out, std::size_t stride) {
  const Product& p = *block.product;
  const std::size_t tall = plan.tile.rows, wide = plan.tile.columns;
  const std::size_t group = std::min(divide_up(block.columns, wide), kGroupColumns / wide) * wide;
  Panels left{nullptr, nullptr};
  if (block.left == nullptr) left = scratch_panels(plan.maker, 0, divide_up(block.rows, tall) * tall * plan.step);
  const Panels right = scratch_panels(plan.maker, 2, group * plan.step);
  for (std::size_t k = from; k < to; k += plan.step) {
    const std::size_t end = std::min(to, k + plan.step);
    // Every panel has room for a full step: what is written behind a short one does no harm, behind a full one it is overwritten by the next.
    if (block.left == nullptr) pack(plan.maker, *p.left, {block.row, block.rows, k, end, tall, tall * plan.step}, left);
    const auto rows_at = [&](std::size_t row) { return block.left == nullptr ? left.at(row * plan.step) : block.left->at(block.row + row, k); };
    for (std::size_t first = 0; first < block.columns; first += group) {
      const std::size_t columns = std::min(group, block.columns - first);
      pack(plan.maker, *p.right, {block.column + first, columns, k, end, wide, wide * plan.step}, right);
      for (std::size_t column = 0; column < columns; column += wide) {
        const Panel columns_at = right.at(column * plan.step);
        const std::size_t used = std::min(wide, columns - column);
        float* at = out + first + column;
        for (std::size_t row = 0; row < block.rows; row += tall)
          add_tile(plan, rows_at(row), columns_at, std::min(tall, block.rows - row), used, end - k, at + row * stride, stride, k > from);
      }
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
      for (std::size_t i = 0; i < block.rows; i++) {
        float* row = out + i * p.columns;
        for (std::size_t j = 0; j < block.columns; j++) row[j] += other[i * block.columns + j];
        if (plan.half_sums) round_to_half(row, row, block.columns, Overflow::kToInfinity, plan.maker.set);
      }
    }
  }
  finish(block);
}

/// `count` in equal parts of at most `most`, whole units: the size of one.
std::size_t even_part(std::size_t count, std::size_t most, std::size_t unit) {
  const std::size_t units = divide_up(count, unit), parts = divide_up(units, std::max<std::size_t>(1, most / unit));
  return divide_up(units, std::max<std::size_t>(1, parts)) * unit;
}

std::vector<Block> blocks_of(const std::vector<Product>& products, const Tile& tile, std::size_t threads) {
  std::vector<Block> blocks;
  for (const auto& p : products) {
    if (p.rows == 0 || p.columns == 0) continue;
    // All columns in one block, so that rows are packed once, unless there are too few blocks for the threads.
    const std::size_t rows = even_part(p.rows, kMostRows, tile.rows);
    const std::size_t others = divide_up(p.rows, rows) * products.size();
    const std::size_t wanted = threads == 1 ? 1 : divide_up(kBlocksPerThread * threads, others);
    const std::size_t columns = even_part(p.columns, std::max(kFewestColumns, divide_up(p.columns, wanted)), tile.columns);
    for (std::size_t column = 0; column < p.columns; column += columns)
      for (std::size_t row = 0; row < p.rows; row += rows)
        blocks.push_back({&p, nullptr, row, std::min(rows, p.rows - row), column, std::min(columns, p.columns - column)});
  }
  return blocks;
}

/// Left factors that several blocks read, packed before the blocks are computed; of blocks that find theirs here, `left` is set.
std::deque<PackedOperand> pack_shared(const Plan& plan, std::vector<Block>& blocks, const Machine& machine) {
  struct Part {
    PackedOperand* packed;
    const Operand* operand;
    std::size_t first;
  };
  constexpr std::size_t kPanels = 4;  // that one thread packs at a time
  std::deque<PackedOperand> shared;
  std::vector<Part> parts;
  std::unordered_map<const Operand*, std::size_t> readers;
  std::unordered_map<const Operand*, PackedOperand*> found;
  for (const auto& block : blocks) readers[block.product->left] += block.row == 0 ? 1 : 0;
  for (auto& block : blocks) {
    const Product& p = *block.product;
    if (p.depth == 0 || p.rows * p.depth > kLargestPacked || (readers[p.left] < 2 && !p.left->packs_best_whole())) continue;
    PackedOperand*& packed = found[p.left];
    if (packed == nullptr) {
      packed = &shared.emplace_back(plan.maker, p.rows, plan.tile.rows, p.depth);
      for (std::size_t first = 0; first < packed->panel_count(); first += kPanels) parts.push_back({packed, p.left, first});
    }
    block.left = packed;
  }
  machine.parallel_for(parts.size(), [&](std::size_t i) {
    const auto& part = parts[i];
    part.packed->fill(plan.maker, *part.operand, part.first, std::min(kPanels, part.packed->panel_count() - part.first));
  });
  return shared;
}

}  // namespace

void multiply(const std::vector<Product>& products, const SumOptions& options, const Machine& machine) {
  if (products.empty()) return;
  const bool plain = options.sums == Sums::kPlain;
  const bool exact = !plain && options.sums != Sums::kHalf;
  const ChipModel& chip = chip_model(options.chip);
  // A chunk longer than K is rounded at the end as well.
  const std::size_t chunk = std::clamp<std::size_t>(exact ? chip.group : options.chunk, 1, std::max<std::size_t>(1, products[0].depth));
  const Tile tile = plain ? plain_tile(machine.set) : exact ? exact_tile(machine.set, chip) : half_tile(machine.set);
  const Plan plan{{chunk, &chip, options.sums == Sums::kHalfExact},
                  tile,
                  {packers(machine.set), machine.set, exact},
                  std::max<std::size_t>(1, step_of(tile.columns) / chunk) * chunk,
                  pieces_of(products[0].depth, chunk, options.pieces),
                  options.sums != Sums::kTensorCore && !plain};
  auto blocks = blocks_of(products, plan.tile, std::max<std::size_t>(1, machine.threads));
  const auto shared = pack_shared(plan, blocks, machine);
  machine.parallel_for(blocks.size(), [&](std::size_t i) { compute(plan, blocks[i]); });
}

}  // namespace halfscope::products
