#include "core/bfloat.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "core/half.h"
#include "core/rounding.h"
#include "test/harness.h"

using namespace halfscope;

namespace {

float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

/// The value of a finite bfloat from its definition, in FP64.
double value_of(std::uint32_t bfloat) {
  const int exponent = static_cast<int>((bfloat >> 7) & 255);
  const double mantissa = bfloat & 127;
  return exponent == 0 ? std::ldexp(mantissa, -133) : std::ldexp(128 + mantissa, exponent - 134);
}

std::vector<InstructionSet> sets() {
  if (has_avx2()) return {InstructionSet::kScalar, InstructionSet::kAvx2};
  std::printf("SKIP avx2 kernels: this processor has none\n");
  return {InstructionSet::kScalar};
}

std::vector<float> rounded(const std::vector<float>& values, Overflow overflow, InstructionSet set) {
  std::vector<float> out(values.size());
  round_to_bfloat(values.data(), out.data(), values.size(), overflow, set);
  return out;
}

}  // namespace

TEST(every_bfloat_keeps_its_value_and_a_nan_turns_quiet) {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); i++) all[i] = static_cast<std::uint16_t>(i);
  std::vector<float> floats(all.size());
  bfloat_to_float(all.data(), floats.data(), all.size());
  for (const auto overflow : {Overflow::kToInfinity, Overflow::kToLargestFinite}) {
    for (const auto set : sets()) {
      std::vector<std::uint16_t> back(all.size());
      float_to_bfloat(floats.data(), back.data(), floats.size(), overflow, set);
      for (std::size_t i = 0; i < all.size(); i++) {
        const bool special = (i & 0x7f80) == 0x7f80;
        const bool nan = special && (i & 0x7f) != 0;
        CHECK(std::isnan(floats[i]) == nan && back[i] == (nan ? i | 0x40 : i));
        if (!special) CHECK(std::abs(static_cast<double>(floats[i])) == value_of(static_cast<std::uint32_t>(i) & 0x7fff));
      }
    }
  }
}

TEST(midpoints_round_to_even_and_their_neighbours_to_the_nearest) {
  for (std::uint32_t low = 0; low < 0x7f7f; low++) {
    const double a = value_of(low), b = value_of(low + 1);
    const auto middle = static_cast<float>((a + b) / 2);  // exact: one more bit than a bfloat has
    const auto even = static_cast<float>(low % 2 == 0 ? a : b);
    for (const float sign : {1.0f, -1.0f}) {
      for (const auto set : sets()) {
        const float below = std::nextafter(middle, 0.0f), above = std::nextafter(middle, std::numeric_limits<float>::infinity());
        const auto got = rounded({sign * middle, sign * below, sign * above}, Overflow::kToInfinity, set);
        CHECK(bits_of(got[0]) == bits_of(sign * even));
        CHECK(bits_of(got[1]) == bits_of(sign * static_cast<float>(a)));
        CHECK(bits_of(got[2]) == bits_of(sign * static_cast<float>(b)));
      }
    }
  }
}

TEST(overflow_begins_halfway_above_the_largest_number) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float largest = float_of(0x7f7f0000), last = float_of(0x7f7f7fff), first = float_of(0x7f7f8000), maximum = std::numeric_limits<float>::max();
  for (const auto set : sets()) {
    for (const float sign : {1.0f, -1.0f}) {
      const std::vector<float> values = {sign * largest, sign * last, sign * first, sign * maximum, sign * infinity};
      const auto open = rounded(values, Overflow::kToInfinity, set);
      const auto kept = rounded(values, Overflow::kToLargestFinite, set);
      CHECK(open[0] == sign * largest && open[1] == sign * largest && open[2] == sign * infinity && open[3] == sign * infinity);
      CHECK(kept[0] == sign * largest && kept[1] == sign * largest && kept[2] == sign * largest && kept[3] == sign * largest);
      CHECK(open[4] == sign * infinity && kept[4] == sign * infinity);
    }
  }
}

TEST(kernels_agree_on_all_bits_lengths_and_alignments) {
  if (!has_avx2()) return;
  std::mt19937 random(1);
  std::vector<std::uint32_t> bits(100003);
  for (auto& b : bits) b = static_cast<std::uint32_t>(random());
  for (std::size_t i = 0; i < 1000; i++) bits[i] = 0x7f7f0000u + 97u * static_cast<std::uint32_t>(i) + (i % 2 == 0 ? 0x80000000u : 0u);
  std::vector<unsigned char> bytes(bits.size() * 4 + 3);
  for (const auto overflow : {Overflow::kToInfinity, Overflow::kToLargestFinite}) {
    for (std::size_t offset = 0; offset < 4; offset++) {
      std::memcpy(bytes.data() + offset, bits.data(), bits.size() * 4);
      for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{8}, std::size_t{9}, std::size_t{31}, bits.size()}) {
        std::vector<float> scalar(count), vector(count);
        round_to_bfloat(bytes.data() + offset, scalar.data(), count, overflow, InstructionSet::kScalar);
        round_to_bfloat(bytes.data() + offset, vector.data(), count, overflow, InstructionSet::kAvx2);
        CHECK(count == 0 || std::memcmp(scalar.data(), vector.data(), count * 4) == 0);
        std::vector<unsigned char> narrow_scalar(count * 2 + 1), narrow_vector(count * 2 + 1);
        float_to_bfloat(bytes.data() + offset, narrow_scalar.data() + 1, count, overflow, InstructionSet::kScalar);
        float_to_bfloat(bytes.data() + offset, narrow_vector.data() + 1, count, overflow, InstructionSet::kAvx2);
        CHECK(narrow_scalar == narrow_vector);
        std::vector<float> wide(count);
        bfloat_to_float(narrow_scalar.data() + 1, wide.data(), count);
        CHECK(count == 0 || std::memcmp(wide.data(), scalar.data(), count * 4) == 0);
      }
    }
  }
}

TEST(losses_are_counted_as_the_conversion_makes_them) {
  std::mt19937 random(2);
  std::vector<float> values;
  for (int i = 0; i < 300000; i++) values.push_back(float_of(static_cast<std::uint32_t>(random())));
  for (const std::uint32_t edge : {0x8000u, 0x7f8000u, 0x800000u, 0x7f7f8000u, 0x7f800000u})
    for (const std::uint32_t bits : {edge - 1, edge, edge + 1}) values.push_back(-float_of(bits));
  for (const float x : {0.0f, -0.0f}) values.push_back(x);
  LossCounts expected;
  const auto narrow = rounded(values, Overflow::kToInfinity, InstructionSet::kScalar);
  for (std::size_t i = 0; i < values.size(); i++) {
    const float x = values[i], b = narrow[i];
    expected.nan += std::isnan(x);
    expected.inf += std::isinf(x);
    expected.overflowed += std::isfinite(x) && std::isinf(b);
    expected.flushed += x != 0 && b == 0;
    expected.subnormal += b != 0 && std::fabs(b) < std::numeric_limits<float>::min();
  }
  const LossCounts got = count_bfloat_losses(values.data(), values.size());
  CHECK(got.nan == expected.nan && got.inf == expected.inf && got.overflowed == expected.overflowed);
  CHECK(got.flushed == expected.flushed && got.subnormal == expected.subnormal && expected.subnormal > 0 && expected.flushed > 0);
}

TEST(switch_positions_choose_type_and_policy) {
  const std::vector<float> values = {1.0f + 0x1p-9f, 70000, 3.4e38f};
  const float infinity = std::numeric_limits<float>::infinity(), largest = float_of(0x7f7f0000);
  const float half_value = 1.0f + 0x1p-9f;
  const std::vector<std::vector<float>> expected = {
      {half_value, infinity, infinity}, {half_value, 65504, 65504}, {1, 70144, infinity}, {1, 70144, largest}};
  for (std::uint8_t position = 1; position <= kLastPosition; position++) {
    for (const auto set : sets()) {
      std::vector<float> out(values.size());
      round_values(values.data(), out.data(), values.size(), rounding_at(position), set);
      CHECK(out == expected[position - 1u]);
    }
  }
}

TEST_MAIN
