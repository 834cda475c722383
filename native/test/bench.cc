// Nanoseconds per element of the kernels, one thread: native/build/test/kernel_bench (built with the tests, not run by them).

#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <vector>

#include "core/bfloat.h"
#include "core/half.h"
#include "metrics/error_stats.h"

using namespace halfscope;

namespace {

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

template <class Body>
void measure(const char* name, InstructionSet set, std::size_t elements, Body body) {
  double best = 1e9;
  for (int i = 0; i < 15; i++) {
    const double start = cpu_seconds();
    body();
    best = std::min(best, cpu_seconds() - start);
  }
  std::printf("%-34s %-7s %8.3f ns per element\n", name, name_of(set), best * 1e9 / static_cast<double>(elements));
}

}  // namespace

int main() {
  for (const std::size_t count : {std::size_t{1} << 17, std::size_t{1} << 24}) {
    std::vector<float> r(count), c(count), out(count), infinite(count, -INFINITY);
    for (std::size_t i = 0; i < count; i++) {
      r[i] = std::sin(static_cast<float>(i) * 1.37f) * std::exp(3 * std::sin(static_cast<float>(i) * 0.1f));
      c[i] = r[i] * (1 + 1e-3f * std::cos(static_cast<float>(i)));
    }
    std::printf("%zu elements\n", count);
    std::vector<InstructionSet> sets = {InstructionSet::kScalar};
    if (has_avx2()) sets.push_back(InstructionSet::kAvx2);
    for (const auto set : sets) {
      const auto compare = [&](const float* a, const float* b) {
        ErrorStats all;
        for (std::size_t from = 0; from < count; from += kChunk) merge(all, compare_chunk(a + from, b + from, std::min(kChunk, count - from), set));
        out[0] = static_cast<float>(all.sum_abs);
      };
      measure("round", set, count, [&] { round_to_half(r.data(), out.data(), count, Overflow::kToInfinity, set); });
      measure("round in place", set, count, [&] { round_to_half(out.data(), out.data(), count, Overflow::kToInfinity, set); });
      measure("round, kept finite", set, count, [&] { round_to_half(r.data(), out.data(), count, Overflow::kToLargestFinite, set); });
      measure("round to bfloat16", set, count, [&] { round_to_bfloat(r.data(), out.data(), count, Overflow::kToInfinity, set); });
      measure("compare", set, count, [&] { compare(r.data(), c.data()); });
      measure("compare equal", set, count, [&] { compare(r.data(), r.data()); });
      measure("compare, nothing finite", set, count, [&] { compare(infinite.data(), r.data()); });
    }
  }
}
