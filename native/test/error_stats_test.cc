#include "metrics/error_stats.h"

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "core/bfloat.h"
#include "core/half.h"
#include "metrics/parallel.h"
#include "test/harness.h"

using namespace halfscope;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

bool close(double a, double b) { return a == b || std::abs(a - b) <= 1e-12 * std::max(std::abs(a), std::abs(b)); }

/// Sums may differ by the order of adding; everything else is the same number.
void check_same(const ErrorStats& a, const ErrorStats& b) {
  CHECK(close(a.sum_abs, b.sum_abs) && close(a.sum_squared_error, b.sum_squared_error));
  CHECK(close(a.sum_squared_reference, b.sum_squared_reference) && close(a.sum_ulp, b.sum_ulp));
  ErrorStats x = a, y = b;
  for (ErrorStats* s : {&x, &y}) s->sum_abs = s->sum_squared_error = s->sum_squared_reference = s->sum_ulp = 0;
  double fields_a[kStatsWidth], fields_b[kStatsWidth];
  std::memcpy(fields_a, &x, sizeof(x));
  std::memcpy(fields_b, &y, sizeof(y));
  for (std::size_t i = 0; i < kStatsWidth; i++) CHECK(fields_a[i] == fields_b[i] || (std::isnan(fields_a[i]) && std::isnan(fields_b[i])));
}

struct Pairs {
  std::vector<float> reference, candidate;
};

/// Values over the whole FP16 range and beyond; `special` in 100 of them is NaN, infinite, zero or subnormal.
Pairs random_pairs(std::size_t count, int special, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> exponent(-20, 18), sign(-1, 1), noise(-1e-3f, 1e-3f);
  const float specials[] = {kNan, kInf, -kInf, 0.0f, -0.0f, 1e-6f, -3e-8f, 1e-40f, 65504.0f, 70000.0f};
  Pairs pairs;
  for (std::size_t i = 0; i < count; i++) {
    float r = sign(random) * std::exp2(exponent(random));
    float c = r * (1 + noise(random));
    if (static_cast<int>(random() % 100) < special) r = specials[random() % 10];
    if (static_cast<int>(random() % 100) < special) c = specials[random() % 10];
    pairs.reference.push_back(r);
    pairs.candidate.push_back(c);
  }
  return pairs;
}

}  // namespace

TEST(kernels_agree_on_random_pairs_of_odd_lengths) {
  if (!has_avx2()) {
    std::printf("SKIP avx2 kernel: this processor has none\n");
    return;
  }
  unsigned seed = 1;
  for (const int special : {0, 1, 30, 100}) {
    for (const std::size_t count : {0, 1, 7, 8, 9, 1023, 1024, 1025, 1031, 65535, 65536}) {
      const auto p = random_pairs(count, special, seed++);
      check_same(compare_chunk(p.reference.data(), p.candidate.data(), count, InstructionSet::kScalar),
                 compare_chunk(p.reference.data(), p.candidate.data(), count, InstructionSet::kAvx2));
    }
  }
}

TEST(kernels_agree_on_tensors_of_one_sign_and_on_equal_ones) {
  if (!has_avx2()) return;
  unsigned seed = 100;
  const auto check = [](const Pairs& p) {
    const std::size_t count = p.reference.size();
    check_same(compare_chunk(p.reference.data(), p.candidate.data(), count, InstructionSet::kScalar),
               compare_chunk(p.reference.data(), p.candidate.data(), count, InstructionSet::kAvx2));
  };
  for (const std::size_t count : {31, 32, 33, 1024, 3000}) {
    for (const int special : {0, 20}) {
      for (const float sign : {1.0f, -1.0f}) {
        auto p = random_pairs(count, special, seed++);
        for (auto& x : p.reference) x = std::copysign(x, sign);
        check(p);
        for (auto& x : p.candidate) x = std::copysign(x, sign);
        check(p);
        p.candidate = p.reference;
        check(p);
        p.candidate.back() = 0.5f;
        check(p);
      }
      // Far apart and within a few exponents: both ways of counting them.
      auto p = random_pairs(count, special, seed++);
      for (std::size_t i = 0; i < count; i++) p.reference[i] = p.candidate[i] = std::copysign(1.5f + std::abs(p.reference[i] * 1e-6f), p.reference[i]);
      check(p);
      for (std::size_t i = 0; i < count; i++) p.reference[i] = std::ldexp(1.25f, static_cast<int>(i % 250) - 130);
      check(p);
    }
  }
  check({std::vector<float>(64, 0.0f), std::vector<float>(64, -0.0f)});
  check({std::vector<float>(64, kNan), std::vector<float>(64, 1.0f)});
}

TEST(rounding_and_comparing_in_one_is_rounding_then_comparing) {
  for (const std::size_t count : {1, 7, 31, 32, 1024, 1025, 5003}) {
    const auto p = random_pairs(count, 10, static_cast<unsigned>(count));
    for (const auto set : {InstructionSet::kScalar, instruction_set()}) {
      for (const auto type : {NarrowType::kHalf, NarrowType::kBfloat}) {
        const Rounding rounding{type, Overflow::kToLargestFinite};
        std::vector<float> expected(count), apart(count, 7.0f), in_place = p.candidate;
        round_values(p.candidate.data(), expected.data(), count, rounding, set);
        const ErrorStats two = compare_chunk(p.reference.data(), expected.data(), count, set);
        const ErrorStats one = round_and_compare_chunk(p.reference.data(), {p.candidate.data(), apart.data(), rounding}, count, set);
        const ErrorStats same = round_and_compare_chunk(p.reference.data(), {in_place.data(), in_place.data(), rounding}, count, set);
        CHECK(std::memcmp(apart.data(), expected.data(), count * sizeof(float)) == 0);
        CHECK(std::memcmp(in_place.data(), expected.data(), count * sizeof(float)) == 0);
        check_same(one, two);
        check_same(same, two);
      }
    }
  }
}

TEST(misaligned_tensors_give_the_same_figures) {
  const auto p = random_pairs(3001, 5, 77);
  std::vector<unsigned char> r(3001 * 4 + 3), c(3001 * 4 + 3);
  std::memcpy(r.data() + 1, p.reference.data(), 3001 * 4);
  std::memcpy(c.data() + 3, p.candidate.data(), 3001 * 4);
  check_same(compare_chunk(p.reference.data(), p.candidate.data(), 3001), compare_chunk(r.data() + 1, c.data() + 3, 3001));
}

TEST(an_empty_tensor_has_no_maximum_and_no_range) {
  const ErrorStats s = compare_tensors(nullptr, nullptr, 0, 2);
  CHECK(s.count == 0 && s.max_index == -1 && s.max_abs == 0);
  CHECK(s.min_reference == kInf && s.max_reference_value == -kInf && s.min_candidate == kInf && s.max_candidate_value == -kInf);
}

TEST(special_pairs_are_counted_as_documented) {
  const std::vector<float> r = {kInf, kInf, 1.0f, kNan, 2.0f, -kInf, 0.0f, 1e-5f};
  const std::vector<float> c = {kInf, -kInf, kInf, 1.0f, 0.0f, 1.0f, 0.0f, 1e-5f};
  for (const auto set : {InstructionSet::kScalar, instruction_set()}) {
    const ErrorStats s = compare_chunk(r.data(), c.data(), r.size(), set);
    CHECK(s.count == 8 && s.non_finite_mismatch == 4);  // opposite infinities, finite-infinite, NaN-finite, infinite-finite
    CHECK(s.nan_reference == 1 && s.nan_candidate == 0 && s.inf_reference == 3 && s.inf_candidate == 3);
    CHECK(s.overflowed == 1 && s.flushed == 1 && s.subnormal_reference == 1 && s.subnormal_candidate == 1);
    CHECK(s.max_abs == 2 && s.max_index == 4 && s.max_reference == 2 && s.max_candidate == 0);
    CHECK(s.sum_abs == 2 && s.sum_squared_error == 4 && close(s.sum_squared_reference, 4 + static_cast<double>(1e-5f) * 1e-5f));
    CHECK(s.min_reference == 0 && s.max_reference_value == 2 && s.exponents[0] == 1 && s.exponents[41] == 1);
  }
}

TEST(the_first_of_equal_maxima_is_kept) {
  std::vector<float> r(70000, 1.0f), c(70000, 1.0f);
  for (const std::size_t i : {2049, 2050, 69999}) c[i] = 1.5f;
  c[2050] = kNan;
  CHECK(compare_tensors(r.data(), c.data(), r.size(), 2).max_index == 2049);
  c[2049] = 1.0f;
  CHECK(compare_tensors(r.data(), c.data(), r.size(), 2).max_index == 69999);
  c[69999] = 1.0f;
  CHECK(compare_tensors(r.data(), c.data(), r.size(), 2).max_index == 0);
}

TEST(a_slow_group_and_a_fast_group_with_one_error_keep_the_lower_index) {
  std::vector<float> r(64, 1.0f), c(64, 1.0f);
  c[3] = kNan;
  c[5] = c[40] = 2.0f;
  CHECK(compare_chunk(r.data(), c.data(), 64).max_index == 5);
  std::swap(r, c);
  c[3] = 1.0f;
  CHECK(compare_chunk(r.data(), c.data(), 64).max_index == 5);
}

TEST(only_an_equal_infinity_counts_as_no_error) {
  const std::vector<float> r(16, kInf), c(16, kInf);
  for (const auto set : {InstructionSet::kScalar, instruction_set()}) {
    const ErrorStats s = compare_chunk(r.data(), c.data(), 16, set);
    CHECK(s.non_finite_mismatch == 0 && s.max_abs == 0 && s.max_index == 0 && s.sum_squared_reference == 0 && s.inf_reference == 16);
  }
}

TEST(figures_do_not_depend_on_the_number_of_threads) {
  const auto p = random_pairs(700001, 1, 5);
  const ErrorStats one = compare_tensors(p.reference.data(), p.candidate.data(), p.reference.size(), 1);
  for (const std::size_t threads : {2, 3, 8}) {
    const ErrorStats many = compare_tensors(p.reference.data(), p.candidate.data(), p.reference.size(), threads);
    CHECK(std::memcmp(&one, &many, sizeof(one)) == 0);
  }
}

TEST(merging_shifts_indices_and_adds_counts) {
  const auto p = random_pairs(1000, 5, 6);
  const ErrorStats whole = compare_chunk(p.reference.data(), p.candidate.data(), 1000, InstructionSet::kScalar);
  ErrorStats parts;
  for (const auto& [from, count] : {std::pair{0, 300}, std::pair{300, 0}, std::pair{300, 700}})
    merge(parts, compare_chunk(p.reference.data() + from, p.candidate.data() + from, static_cast<std::size_t>(count), InstructionSet::kScalar));
  check_same(whole, parts);
}

namespace {

/// The figures of FP64 pairs by their definition, without any bit trick.
ErrorStats plain(const std::vector<double>& reference, const std::vector<double>& candidate) {
  ErrorStats s;
  s.count = static_cast<double>(reference.size());
  for (std::size_t i = 0; i < reference.size(); i++) {
    const double r = reference[i], c = candidate[i];
    s.nan_reference += std::isnan(r);
    s.nan_candidate += std::isnan(c);
    s.inf_reference += std::isinf(r);
    s.inf_candidate += std::isinf(c);
    s.overflowed += std::isfinite(r) && std::isinf(c);
    s.flushed += !std::isnan(r) && r != 0 && c == 0;
    s.subnormal_reference += r != 0 && std::abs(r) < std::ldexp(1, -14);
    s.subnormal_candidate += c != 0 && std::abs(c) < std::ldexp(1, -14);
    if (std::isfinite(r)) {
      s.min_reference = std::min(s.min_reference, r + 0.0);
      s.max_reference_value = std::max(s.max_reference_value, r + 0.0);
      s.exponents[static_cast<std::size_t>(r == 0 ? 0 : std::clamp(std::ilogb(r) + kExponentBias, 0, 63))] += 1;
    }
    if (std::isfinite(c)) {
      s.min_candidate = std::min(s.min_candidate, c + 0.0);
      s.max_candidate_value = std::max(s.max_candidate_value, c + 0.0);
    }
    const bool both = std::isfinite(r) && std::isfinite(c);
    if (!both && !(std::isinf(r) && r == c)) {
      s.non_finite_mismatch += 1;
      continue;
    }
    const double error = both ? std::abs(r - c) : 0;
    if (error > s.max_abs || s.max_index < 0) {
      s.max_abs = error;
      s.max_index = static_cast<double>(i);
      s.max_reference = r;
      s.max_candidate = c;
    }
    if (!both) continue;
    const double ulp = error / std::ldexp(1, (r == 0 ? -14 : std::clamp(std::ilogb(r), -14, 15)) - 10);
    s.sum_abs += error;
    s.sum_squared_error += error * error;
    s.sum_squared_reference += r * r;
    s.max_ulp = std::max(s.max_ulp, ulp);
    s.sum_ulp += ulp;
  }
  return s;
}

std::vector<double> widened(const std::vector<float>& values) { return {values.begin(), values.end()}; }

}  // namespace

TEST(doubles_are_compared_as_doubles) {
  const double infinity = std::numeric_limits<double>::infinity();
  const auto p = random_pairs(5000, 20, 8);
  auto r = widened(p.reference), c = widened(p.candidate);
  for (const auto& [x, y] : {std::pair{1e200, 1.5e200}, std::pair{1.0, 1 + 1e-13}, std::pair{1e-200, 1e-201}, std::pair{1e-200, 0.0}, std::pair{3e38, 1e39},
                             std::pair{1e39, infinity}, std::pair{-infinity, 1e300}, std::pair{0.0, 5e-324}}) {
    r.push_back(x);
    c.push_back(y);
  }
  // Squares of 1e200 leave FP64, as documented sums may; look at the rest apart.
  for (const std::size_t from : {std::size_t{0}, std::size_t{5000}, std::size_t{5001}}) {
    const std::vector<double> a(r.begin() + static_cast<long>(from), r.end()), b(c.begin() + static_cast<long>(from), c.end());
    check_same(compare_chunk(FloatType::kDouble, a.data(), b.data(), a.size()), plain(a, b));
  }
  const double one = 1, near = 1 + 1e-13;
  CHECK(compare_chunk(FloatType::kDouble, &one, &near, 1).max_ulp > 0.9e-10);
}

TEST(halves_and_bfloats_give_the_figures_of_their_values) {
  const auto p = random_pairs(5003, 10, 9);
  for (const auto set : {InstructionSet::kScalar, instruction_set()}) {
    std::vector<unsigned char> r(5003 * 2 + 1), c(5003 * 2 + 1);
    std::vector<float> wide_r(5003), wide_c(5003);
    float_to_half(p.reference.data(), r.data() + 1, 5003, Overflow::kToInfinity, set);
    float_to_half(p.candidate.data(), c.data() + 1, 5003, Overflow::kToInfinity, set);
    half_to_float(r.data() + 1, wide_r.data(), 5003, set);
    half_to_float(c.data() + 1, wide_c.data(), 5003, set);
    check_same(compare_chunk(FloatType::kHalf, r.data() + 1, c.data() + 1, 5003, set), plain(widened(wide_r), widened(wide_c)));
    // The upper halves of floats are bfloats.
    for (std::size_t i = 0; i < 5003; i++) {
      std::memcpy(r.data() + 1 + 2 * i, reinterpret_cast<const unsigned char*>(&p.reference[i]) + 2, 2);
      std::memcpy(c.data() + 1 + 2 * i, reinterpret_cast<const unsigned char*>(&p.candidate[i]) + 2, 2);
    }
    bfloat_to_float(r.data() + 1, wide_r.data(), 5003);
    bfloat_to_float(c.data() + 1, wide_c.data(), 5003);
    check_same(compare_chunk(FloatType::kBfloat, r.data() + 1, c.data() + 1, 5003, set), plain(widened(wide_r), widened(wide_c)));
  }
}

TEST(sides_of_two_types_give_the_figures_of_their_values) {
  const auto p = random_pairs(5003, 10, 10);
  const std::size_t count = p.reference.size();
  for (const auto set : {InstructionSet::kScalar, instruction_set()}) {
    std::vector<unsigned char> halves(count * 2 + 1), bfloats(count * 2 + 1);
    std::vector<float> half_values(count), bfloat_values(count);
    float_to_half(p.candidate.data(), halves.data() + 1, count, Overflow::kToInfinity, set);
    half_to_float(halves.data() + 1, half_values.data(), count, set);
    float_to_bfloat(p.candidate.data(), bfloats.data() + 1, count, Overflow::kToInfinity, set);
    bfloat_to_float(bfloats.data() + 1, bfloat_values.data(), count);
    const TypedFloats floats{FloatType::kFloat, p.reference.data()}, half{FloatType::kHalf, halves.data() + 1}, bfloat{FloatType::kBfloat, bfloats.data() + 1};
    check_same(compare_chunk(floats, half, count, set), plain(widened(p.reference), widened(half_values)));
    check_same(compare_chunk(bfloat, floats, count, set), plain(widened(bfloat_values), widened(p.reference)));
    check_same(compare_chunk(half, bfloat, count, set), plain(widened(half_values), widened(bfloat_values)));
    const auto doubles = widened(p.reference);
    check_same(compare_chunk({FloatType::kDouble, doubles.data()}, half, count, set), plain(doubles, widened(half_values)));
    check_same(compare_chunk(floats, {FloatType::kDouble, doubles.data()}, count, set), plain(doubles, doubles));
  }
}

TEST_MAIN
