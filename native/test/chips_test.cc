// The model of Hopper's tensor core against what one gave: test/hardware/mma-h200, whose README tells the cases. Exit 77: the files are not here.

#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/half.h"
#include "products/exact.h"
#include "test/harness.h"

#ifdef HALFSCOPE_PROBE_CASES
#include HALFSCOPE_PROBE_CASES

using namespace halfscope;
using namespace halfscope::products;

namespace {

constexpr std::size_t kHopper = 2;
constexpr int kTiles = 16, kRows = 16, kColumns = 8;

float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
float half_of(std::uint16_t half) { return float_of(float_bits_from_half(half)); }

/// The stored results, as floats.
std::vector<float> stored(const std::string& name, bool half) {
  std::ifstream file(std::string(HALFSCOPE_MMA_FOLDER) + "/" + name, std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
  std::vector<float> values(bytes.size() / (half ? 2 : 4));
  for (std::size_t i = 0; i < values.size(); i++) {
    std::uint32_t word = 0;
    std::memcpy(&word, bytes.data() + i * (half ? 2 : 4), half ? 2 : 4);
    values[i] = half ? half_of(static_cast<std::uint16_t>(word)) : float_of(word);
  }
  return values;
}

float factor(int kind, int operand, int tile, int lane, int k) {
  return half_of(half_value(kind, hash_of(seed_of(kind, operand), static_cast<std::uint32_t>(tile * 16 + lane) * 65536u + static_cast<std::uint32_t>(k))));
}

/// One element of a tile: an accumulator, if wanted, through depth / 16 instructions.
float element(int kind, bool half, bool with_accumulator, int tile, int b_tile, int row, int column, int depth) {
  const std::uint32_t hash = hash_of(seed_of(kind, 2), static_cast<std::uint32_t>(tile * 16 + row) * 65536u + static_cast<std::uint32_t>(column));
  float sum = !with_accumulator ? 0.0f : half ? half_of(half_value(kind, hash)) : float_of(float_value(kind, hash));
  for (int from = 0; from < depth; from += 16) {
    float a[16], b[16];
    for (int k = 0; k < 16; k++) {
      a[k] = factor(kind, 0, tile, row, from + k);
      b[k] = factor(kind, 1, b_tile, column, from + k);
    }
    sum = add_group(chip_model(kHopper), half, sum, a, 1, b, 1, 16);
  }
  return sum;
}

bool same(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b && std::signbit(a) == std::signbit(b);
}

void check_tiles(const std::vector<float>& values, std::size_t& at, int kind, bool half, bool with_accumulator, int tiles_per_b, int depth) {
  for (int tile = 0; tile < kTiles; tile++)
    for (int row = 0; row < kRows; row++)
      for (int column = 0; column < kColumns; column++, at++)
        CHECK(at < values.size() && same(values[at], element(kind, half, with_accumulator, tile, tile / tiles_per_b * tiles_per_b, row, column, depth)));
}

void check_single(const std::string& name, bool half, int tiles_per_b) {
  const auto values = stored(name, half);
  std::size_t at = 0;
  for (int kind = 0; kind < kKinds; kind++)
    for (const bool with_accumulator : {false, true}) check_tiles(values, at, kind, half, with_accumulator, tiles_per_b, 16);
  CHECK(at == values.size());
}

void check_chained(const std::string& name, bool half) {
  const auto values = stored(name, half);
  std::size_t at = 0;
  for (const int kind : {kBell, kSmall, kWide})
    for (const int depth : {32, 64, 256, 1024, 4096}) check_tiles(values, at, kind, half, false, 1, depth);
  CHECK(at == values.size());
}

}  // namespace

TEST(one_mma_sync_with_fp16_results) { check_single("mma-f16-single.bin", true, 1); }
TEST(one_mma_sync_with_fp32_results) { check_single("mma-f32-single.bin", false, 1); }
TEST(one_wgmma_with_fp16_results) { check_single("wgmma-f16-single.bin", true, 4); }
TEST(one_wgmma_with_fp32_results) { check_single("wgmma-f32-single.bin", false, 4); }
TEST(fp16_accumulators_through_many_instructions) { check_chained("mma-f16-chained.bin", true); }
TEST(fp32_accumulators_through_many_instructions) { check_chained("mma-f32-chained.bin", false); }

TEST_MAIN

#else

int main() {
  std::printf("SKIP: scripts/hardware/mma/cases.h or test/hardware/mma-h200 is not beside native/\n");
  return 77;
}

#endif
