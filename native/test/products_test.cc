// Every kernel and every shape of products/ against loops over the definition, bit for bit.

#include <cstring>
#include <random>
#include <stdexcept>

#include "core/error.h"
#include "metrics/parallel.h"
#include "test/harness.h"
#include "test/plain_products.h"

using namespace halfscope;
using namespace halfscope::products;
using namespace halfscope::test;

namespace {

std::mt19937 generator(11);
std::size_t pick(std::size_t from, std::size_t to) { return std::uniform_int_distribution<std::size_t>(from, to)(generator); }

enum class Values { kOrdinary, kWide, kSpecial };

/// FP16 values mostly; kWide reaches subnormals and overflow, kSpecial has infinities, NaN and zeros of both signs, too, and values that are no FP16.
Tensor random_tensor(Dims dims, Values kind = Values::kOrdinary) {
  std::vector<float> values(static_cast<std::size_t>(elements(dims)));
  std::normal_distribution<float> normal;
  for (auto& v : values) {
    v = normal(generator);
    if (kind != Values::kOrdinary) v = std::ldexp(v, static_cast<int>(pick(0, 30)) - 18);
    if (kind != Values::kSpecial || pick(0, 3) != 0) v = to_half(v);
    if (kind != Values::kSpecial) continue;
    const std::size_t which = pick(0, 199);
    if (which == 0) v = INFINITY;
    if (which == 1) v = -INFINITY;
    if (which == 2) v = NAN;
    if (which >= 3 && which <= 8) v = which % 2 == 0 ? 0.0f : -0.0f;
  }
  return Tensor(std::move(dims), values, pick(0, 3));
}

std::vector<InstructionSet> sets() {
  std::vector<InstructionSet> all{InstructionSet::kScalar};
  if (has_avx2()) all.push_back(InstructionSet::kAvx2);
  if (has_avx512()) all.push_back(InstructionSet::kAvx512);
  return all;
}

Machine machine(InstructionSet set, std::size_t threads) {
  return {set, threads, [threads](std::size_t total, const std::function<void(std::size_t)>& body) { parallel_for(total, threads, body); }};
}

/// The payload of a NaN is nobody's promise; everything else is compared by bits.
bool same(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); i++) {
    if (std::isnan(a[i]) ? !std::isnan(b[i]) : bits_of(a[i]) != bits_of(b[i])) {
      std::printf("element %zu of %zu: %.9g, expected %.9g\n", i, a.size(), static_cast<double>(a[i]), static_cast<double>(b[i]));
      return false;
    }
  }
  return true;
}

/// Runs `body(out, machine)` with every instruction set on 1 and 3 threads.
template <class Body>
void check_all(const std::vector<float>& expected, const Body& body) {
  for (const auto set : sets()) {
    for (const std::size_t threads : {1, 3}) {
      std::vector<float> out(expected.size(), -77.0f);
      body(out.data(), machine(set, threads));
      CHECK(same(out, expected));
    }
  }
}

void check_matmul(const Tensor& a, const Tensor& b, const SumOptions& o) {
  const auto shape = matmul_shape(a.dims(), b.dims());
  check_all(plain_matmul(a, b, shape.out, o), [&](float* out, const Machine& m) { matmul(shape, a.factor(), b.factor(), out, o, m); });
}

Dims dims(std::initializer_list<std::size_t> list) {
  Dims all;
  for (const auto d : list) all.push_back(static_cast<std::int64_t>(d));
  return all;
}

constexpr Sums kAllSums[] = {Sums::kHalf, Sums::kHalfExact, Sums::kTensorCore};

}  // namespace

TEST(matrices_of_all_sizes) {
  for (int i = 0; i < 150; i++) {
    SumOptions o;
    o.sums = kAllSums[pick(0, 2)];
    o.chip = pick(0, 3);
    const std::size_t depth = pick(1, i % 10 == 0 ? 700 : 70);
    check_matmul(random_tensor(dims({pick(1, 30), depth})), random_tensor(dims({depth, pick(1, 50)})), o);
  }
}

TEST(plain_sums_are_fp32_in_chunks_from_zero) {
  for (const std::size_t depth : {1, 7, 128, 129, 700}) {
    for (const std::size_t chunk : {128, 512}) {
      const std::size_t rows = pick(1, 20), columns = pick(1, 50);
      const Tensor a = random_tensor(dims({rows, depth}), Values::kWide), b = random_tensor(dims({depth, columns}), Values::kWide);
      const auto at = [](const Tensor& t, std::size_t i) {
        float value;
        std::memcpy(&value, static_cast<const unsigned char*>(t.factor().data) + i * sizeof(value), sizeof(value));
        return value;
      };
      std::vector<float> expected;
      for (std::size_t i = 0; i < rows; i++) {
        for (std::size_t j = 0; j < columns; j++) {
          float total = 0;
          for (std::size_t from = 0; from < depth; from += chunk) {
            float sum = 0;
            for (std::size_t k = from; k < std::min(depth, from + chunk); k++) sum = std::fma(at(a, i * depth + k), at(b, k * columns + j), sum);
            total = from == 0 ? sum : total + sum;
          }
          expected.push_back(total);
        }
      }
      SumOptions o;
      o.sums = Sums::kPlain;
      o.chunk = chunk;
      const auto shape = matmul_shape(a.dims(), b.dims());
      check_all(expected, [&](float* out, const Machine& m) { matmul(shape, a.factor(), b.factor(), out, o, m); });
    }
  }
}

TEST(chunks_and_pieces) {
  for (const std::size_t chunk : {1, 2, 3, 4, 8, 16, 17, 100, 256, 300, 1000}) {
    for (const std::size_t pieces : {1, 2, 3, 7, 1000}) {
      SumOptions o;
      o.sums = kAllSums[pick(0, 2)];
      o.chip = pick(0, 3);
      o.chunk = chunk;
      o.pieces = pieces;
      const std::size_t depth = pick(1, 900);
      check_matmul(random_tensor(dims({pick(1, 9), depth})), random_tensor(dims({depth, pick(1, 20)})), o);
    }
  }
}

TEST(subnormals_overflow_infinities_and_nan) {
  for (const auto sums : kAllSums) {
    for (const auto kind : {Values::kWide, Values::kSpecial}) {
      for (std::size_t chip = 0; chip < kChips; chip++) {
        SumOptions o;
        o.sums = sums;
        o.chip = chip;
        o.pieces = pick(1, 3);
        const std::size_t depth = pick(1, 60);
        check_matmul(random_tensor(dims({13, depth}), kind), random_tensor(dims({depth, 37}), kind), o);
      }
    }
  }
}

TEST(a_sum_that_rounds_to_zero_is_positive) {
  for (const auto sums : {Sums::kHalf, Sums::kHalfExact}) {
    SumOptions o;
    o.sums = sums;
    const Tensor a({7, 3}, std::vector<float>(21, -std::ldexp(1.0f, -24)), 0), b({3, 17}, std::vector<float>(51, std::ldexp(1.0f, -10)), 0);
    check_all(std::vector<float>(119, 0.0f), [&](float* out, const Machine& m) { matmul(matmul_shape(a.dims(), b.dims()), a.factor(), b.factor(), out, o, m); });
  }
}

TEST(overflow_inside_a_chunk_comes_back_and_at_its_end_does_not) {
  std::vector<float> a(32, 0.0f), b(32, 0.0f);
  a[0] = b[0] = 300;
  a[3] = -300;
  b[3] = 300;
  a[15] = 1;
  b[15] = 2;
  const auto sum = [&](std::size_t back) {
    std::vector<float> left = a, right = b;
    std::swap(left[3], left[back]);
    std::swap(right[3], right[back]);
    const Tensor x({1, 32}, left, 1), y({32, 1}, right, 1);
    float out = 0;
    matmul(matmul_shape(x.dims(), y.dims()), x.factor(), y.factor(), &out, {}, machine(instruction_set(), 1));
    return out;
  };
  CHECK(sum(3) == 2);
  CHECK(sum(20) == INFINITY);
}

TEST(the_right_factor_is_rounded_while_it_is_packed) {
  for (const bool finite : {false, true}) {
    for (const auto sums : kAllSums) {
      SumOptions o;
      o.sums = sums;
      o.round_right = true;
      o.keep_right_finite = finite;
      std::vector<float> values(40 * 21);
      std::normal_distribution<float> normal;
      for (auto& v : values) v = std::ldexp(normal(generator), static_cast<int>(pick(0, 20)) - 3);
      check_matmul(random_tensor({10, 40}, Values::kWide), Tensor({40, 21}, values, 1), o);
    }
  }
}

TEST(batches_broadcast) {
  const std::vector<std::pair<Dims, Dims>> cases = {
      {{5}, {5}},           {{5}, {5, 3}},       {{4, 5}, {5}},           {{2, 4, 5}, {5}},          {{5}, {2, 5, 3}},
      {{2, 3, 5}, {5, 3}},  {{4, 5}, {2, 5, 3}}, {{2, 1, 4, 5}, {3, 5, 2}}, {{2, 3, 4, 5}, {1, 5, 2}}, {{1, 4, 5}, {6, 5, 2}},
      {{2, 3, 4, 5}, {2, 1, 5, 2}}, {{3, 1, 2, 5}, {1, 4, 5, 3}}, {{0, 5}, {5, 3}}, {{2, 0}, {0, 3}}, {{0, 2, 5}, {5, 3}}, {{2, 5}, {0, 5, 3}},
      {{5}, {2, 1, 5, 3}}, {{2, 1, 4, 5}, {5}}, {{1, 1, 4, 5}, {1, 1, 5, 3}},
  };
  for (const auto& [a, b] : cases) check_matmul(random_tensor(a), random_tensor(b), {});
}

TEST(shapes_that_do_not_fit_are_told) {
  const auto fails = [](const auto& body) {
    try {
      body();
    } catch (const Error& error) {
      return error.code() == ErrorCode::kEngineRun;
    }
    return false;
  };
  CHECK(fails([] { matmul_shape({2, 3}, {4, 5}); }));
  CHECK(fails([] { matmul_shape({2, 2, 3}, {3, 3, 5}); }));
  CHECK(fails([] { matmul_shape({}, {3}); }));
  CHECK(fails([] { gemm_shape({}, {2, 3}, {4, 5}, nullptr); }));
  const Dims bias{7};
  CHECK(fails([&] { gemm_shape({}, {2, 3}, {3, 5}, &bias); }));
  CHECK(fails([] { conv_shape({}, {1, 3, 4}, {2, 4, 3}); }));
  CHECK(fails([] { conv_shape({}, {1, 3}, {2, 3}); }));
  ConvAttributes huge;
  huge.dilations = {INT64_MAX};
  CHECK(fails([&] { conv_shape(huge, {1, 3, 4}, {2, 3, 3}); }));
  huge = {};
  huge.pads = {INT64_MAX, 0};
  CHECK(fails([&] { conv_shape(huge, {1, 3, 4}, {2, 3, 3}); }));
}

TEST(gemm_transposes_scales_and_adds) {
  for (int i = 0; i < 60; i++) {
    GemmAttributes g;
    g.trans_a = pick(0, 1) != 0;
    g.trans_b = pick(0, 1) != 0;
    if (pick(0, 1) != 0) g.alpha = 0.37f;
    if (pick(0, 1) != 0) g.beta = -1.9f;
    SumOptions o;
    o.sums = kAllSums[pick(0, 2)];
    o.pieces = pick(1, 2);
    const std::size_t m = pick(1, 20), n = pick(1, 40), k = pick(1, 80);
    const Tensor a = random_tensor(g.trans_a ? dims({k, m}) : dims({m, k})), b = random_tensor(g.trans_b ? dims({n, k}) : dims({k, n}));
    const Dims shapes[] = {dims({n}), dims({1}), {}, dims({m, 1}), dims({1, n}), dims({m, n}), dims({1, 1})};
    const Tensor c = random_tensor(shapes[pick(0, 6)]);
    const bool with_c = pick(0, 3) != 0;
    const auto shape = gemm_shape(g, a.dims(), b.dims(), with_c ? &c.dims() : nullptr);
    const Factor bias = c.factor();
    check_all(plain_gemm(g, a, b, with_c ? &c : nullptr, shape.out, o),
              [&](float* out, const Machine& mach) { gemm(shape, g, a.factor(), b.factor(), with_c ? &bias : nullptr, out, o, mach); });
  }
}

TEST(conv_in_one_to_three_dimensions) {
  for (int i = 0; i < 150; i++) {
    const std::size_t rank = pick(1, 3), group = pick(1, 3), channels = pick(1, 5), filters = pick(1, 5);
    ConvAttributes c;
    c.group = static_cast<std::int64_t>(group);
    Dims x = dims({pick(1, 2), group * channels}), w = dims({group * filters, channels});
    const bool attributes = pick(0, 3) != 0;
    for (std::size_t d = 0; d < rank; d++) {
      x.push_back(static_cast<std::int64_t>(pick(1, rank == 1 ? 60 : rank == 2 ? 20 : 8)));
      w.push_back(static_cast<std::int64_t>(pick(1, 4)));
      if (!attributes) continue;
      c.kernel_shape.push_back(w.back());
      c.strides.push_back(static_cast<std::int64_t>(pick(1, 3)));
      c.dilations.push_back(static_cast<std::int64_t>(pick(1, 2)));
    }
    static constexpr const char* kPads[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};
    c.auto_pad = kPads[pick(0, 3)];
    if (c.auto_pad == "NOTSET" && pick(0, 1) != 0)
      for (std::size_t d = 0; d < 2 * rank; d++) c.pads.push_back(static_cast<std::int64_t>(pick(0, 3)));
    SumOptions o;
    o.sums = kAllSums[pick(0, 2)];
    o.round_right = pick(0, 1) != 0;
    o.pieces = pick(1, 2);
    const Tensor image = random_tensor(x), filter = random_tensor(w, Values::kSpecial), bias = random_tensor(Dims{w[0]});
    const bool with_bias = pick(0, 1) != 0;
    const auto shape = conv_shape(c, x, w);
    const Factor b = bias.factor();
    check_all(plain_conv(shape, image, filter, with_bias ? &bias : nullptr, o),
              [&](float* out, const Machine& m) { conv(shape, image.factor(), filter.factor(), with_bias ? &b : nullptr, out, o, m); });
  }
}

TEST(many_rows_and_columns_are_cut_into_blocks) {
  for (const auto sums : kAllSums) {
    SumOptions o;
    o.sums = sums;
    check_matmul(random_tensor({401, 33}), random_tensor({33, 17}), o);
    check_matmul(random_tensor({5, 33}), random_tensor({33, 1037}), o);
  }
}

TEST(what_a_thread_throws_arrives) {
  const Machine failing{InstructionSet::kScalar, 1, [](std::size_t, const std::function<void(std::size_t)>&) { throw std::runtime_error("no thread"); }};
  const Tensor a = random_tensor({2, 3}), b = random_tensor({3, 2});
  float out[4];
  bool thrown = false;
  try {
    matmul(matmul_shape(a.dims(), b.dims()), a.factor(), b.factor(), out, {}, failing);
  } catch (const std::runtime_error&) {
    thrown = true;
  }
  CHECK(thrown);
}

TEST(instruction_sets_that_ran_are_told) {
  std::printf("with");
  for (const auto set : sets()) std::printf(" %s", name_of(set));
  std::printf("\n");
}

TEST_MAIN
