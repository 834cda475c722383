#include "core/half.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

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

/// The value of a half from its definition, in FP64.
double value_of(std::uint16_t half) {
  const int exponent = (half >> 10) & 31;
  const double mantissa = half & 1023;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

std::vector<InstructionSet> sets() {
  if (has_avx2()) return {InstructionSet::kScalar, InstructionSet::kAvx2};
  std::printf("SKIP avx2 kernels: this processor has none\n");
  return {InstructionSet::kScalar};
}

std::vector<float> rounded(const std::vector<float>& values, Overflow overflow, InstructionSet set) {
  std::vector<float> out(values.size());
  round_to_half(values.data(), out.data(), values.size(), overflow, set);
  return out;
}

void check_rounds(float x, float expected) {
  for (const auto set : sets()) {
    const float got = rounded({x}, Overflow::kToInfinity, set)[0];
    CHECK(bits_of(got) == bits_of(expected));
  }
}

}  // namespace

TEST(every_half_widens_to_its_value_and_back) {
  std::vector<std::uint16_t> halves(65536);
  for (std::size_t i = 0; i < halves.size(); i++) halves[i] = static_cast<std::uint16_t>(i);
  for (const auto set : sets()) {
    std::vector<float> floats(halves.size());
    half_to_float(halves.data(), floats.data(), halves.size(), set);
    std::vector<std::uint16_t> back(halves.size());
    float_to_half(floats.data(), back.data(), floats.size(), Overflow::kToInfinity, set);
    for (std::size_t i = 0; i < halves.size(); i++) {
      const bool special = (halves[i] & 0x7c00) == 0x7c00;
      const bool nan = special && (halves[i] & 0x3ff) != 0;
      if (nan) {
        CHECK(std::isnan(floats[i]));
        CHECK(back[i] == (halves[i] | 0x200));
      } else {
        CHECK(back[i] == halves[i]);
        if (special) CHECK(std::isinf(floats[i]) && std::signbit(floats[i]) == ((halves[i] & 0x8000) != 0));
        if (!special) CHECK(floats[i] == value_of(halves[i]) && std::signbit(floats[i]) == ((halves[i] & 0x8000) != 0));
      }
    }
  }
}

TEST(midpoints_round_to_even_and_their_neighbours_to_the_nearest) {
  for (std::uint32_t low = 0; low < 0x7bff; low++) {
    const double a = value_of(static_cast<std::uint16_t>(low));
    const double b = value_of(static_cast<std::uint16_t>(low + 1));
    const float middle = static_cast<float>((a + b) / 2);  // exact: one more bit than a half has
    const float even = static_cast<float>(low % 2 == 0 ? a : b);
    for (const float sign : {1.0f, -1.0f}) {
      for (const auto set : sets()) {
        const float below = std::nextafter(middle, 0.0f), above = std::nextafter(middle, 1e9f);
        const auto got = rounded({sign * middle, sign * below, sign * above}, Overflow::kToInfinity, set);
        CHECK(bits_of(got[0]) == bits_of(sign * even));
        CHECK(bits_of(got[1]) == bits_of(sign * static_cast<float>(a)));
        CHECK(bits_of(got[2]) == bits_of(sign * static_cast<float>(b)));
      }
    }
  }
}

TEST(overflow_begins_at_65520) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float sign : {1.0f, -1.0f}) {
    check_rounds(sign * 65504.0f, sign * 65504.0f);
    check_rounds(sign * 65519.996f, sign * 65504.0f);
    check_rounds(sign * 65520.0f, sign * infinity);
    check_rounds(sign * 3.4e38f, sign * infinity);
    check_rounds(sign * infinity, sign * infinity);
    for (const auto set : sets()) {
      const auto got = rounded({sign * 65519.996f, sign * 65520.0f, sign * 3.4e38f, sign * infinity}, Overflow::kToLargestFinite, set);
      CHECK(got[0] == sign * 65504.0f && got[1] == sign * 65504.0f && got[2] == sign * 65504.0f && got[3] == sign * infinity);
    }
  }
}

TEST(small_values_become_subnormal_or_signed_zero) {
  check_rounds(std::ldexp(1.0f, -25), 0.0f);
  check_rounds(-std::ldexp(1.0f, -25), -0.0f);
  check_rounds(std::nextafter(std::ldexp(1.0f, -25), 1.0f), std::ldexp(1.0f, -24));
  check_rounds(std::ldexp(1.0f, -149), 0.0f);
  check_rounds(-0.0f, -0.0f);
  check_rounds(std::ldexp(1023.5f, -24), std::ldexp(1.0f, -14));
}

TEST(nan_stays_nan_in_every_kernel_and_policy) {
  for (const std::uint32_t bits : {0x7fc00000u, 0x7f800001u, 0xff812345u, 0xffffffffu}) {
    for (const auto overflow : {Overflow::kToInfinity, Overflow::kToLargestFinite}) {
      for (const auto set : sets()) {
        const float got = rounded({float_of(bits)}, overflow, set)[0];
        CHECK(std::isnan(got) && std::signbit(got) == std::signbit(float_of(bits)));
        CHECK(bits_of(got) == bits_of(rounded({float_of(bits)}, overflow, InstructionSet::kScalar)[0]));
      }
    }
  }
}

TEST(kernels_agree_on_all_exponents_lengths_and_alignments) {
  if (!has_avx2()) return;
  std::mt19937 random(1);
  std::vector<std::uint32_t> bits(200003);
  for (auto& b : bits) b = static_cast<std::uint32_t>(random());
  std::vector<unsigned char> bytes(bits.size() * 4 + 3);
  for (const auto overflow : {Overflow::kToInfinity, Overflow::kToLargestFinite}) {
    for (std::size_t offset = 0; offset < 4; offset++) {
      std::memcpy(bytes.data() + offset, bits.data(), bits.size() * 4);
      for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{8}, std::size_t{9}, std::size_t{31}, bits.size()}) {
        std::vector<float> scalar(count), vector(count);
        round_to_half(bytes.data() + offset, scalar.data(), count, overflow, InstructionSet::kScalar);
        round_to_half(bytes.data() + offset, vector.data(), count, overflow, InstructionSet::kAvx2);
        CHECK(count == 0 || std::memcmp(scalar.data(), vector.data(), count * 4) == 0);
        std::vector<unsigned char> narrow_scalar(count * 2 + 1), narrow_vector(count * 2 + 1);
        float_to_half(bytes.data() + offset, narrow_scalar.data() + 1, count, overflow, InstructionSet::kScalar);
        float_to_half(bytes.data() + offset, narrow_vector.data() + 1, count, overflow, InstructionSet::kAvx2);
        CHECK(narrow_scalar == narrow_vector);
        std::vector<unsigned char> wide_scalar(count * 4 + 1), wide_vector(count * 4 + 1);
        half_to_float(narrow_scalar.data() + 1, wide_scalar.data() + 1, count, InstructionSet::kScalar);
        half_to_float(narrow_scalar.data() + 1, wide_vector.data() + 1, count, InstructionSet::kAvx2);
        CHECK(wide_scalar == wide_vector);
      }
    }
  }
}

TEST(rounding_in_place_equals_rounding_aside) {
  std::vector<float> values(1001);
  for (std::size_t i = 0; i < values.size(); i++) values[i] = std::sin(static_cast<float>(i)) * 100;
  for (const auto set : sets()) {
    auto in_place = values;
    round_to_half(in_place.data(), in_place.data(), in_place.size(), Overflow::kToInfinity, set);
    CHECK(in_place == rounded(values, Overflow::kToInfinity, set));
  }
}

TEST(losses_are_counted_as_the_conversion_makes_them) {
  std::mt19937 random(2);
  std::vector<float> values;
  for (int i = 0; i < 300000; i++) values.push_back(float_of(static_cast<std::uint32_t>(random())));
  for (const float x : {0.0f, -0.0f, 65519.996f, 65520.0f}) values.push_back(x);
  for (const float edge : {std::ldexp(1.0f, -25), std::ldexp(1.0f, -14), std::ldexp(1023.5f, -24)})
    for (const float x : {std::nextafter(edge, 0.0f), edge, std::nextafter(edge, 1.0f)}) values.push_back(-x);
  LossCounts expected;
  const auto halves = rounded(values, Overflow::kToInfinity, InstructionSet::kScalar);
  for (std::size_t i = 0; i < values.size(); i++) {
    const float x = values[i], h = halves[i];
    expected.nan += std::isnan(x);
    expected.inf += std::isinf(x);
    expected.overflowed += std::isfinite(x) && std::isinf(h);
    expected.flushed += x != 0 && h == 0;
    expected.subnormal += h != 0 && std::fabs(h) < std::ldexp(1.0f, -14);
  }
  const LossCounts got = count_half_losses(values.data(), values.size());
  CHECK(got.nan == expected.nan && got.inf == expected.inf && got.overflowed == expected.overflowed);
  CHECK(got.flushed == expected.flushed && got.subnormal == expected.subnormal);
}

TEST_MAIN
