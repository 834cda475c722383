#include "metrics/error_stats_avx2.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "metrics/pair.h"

#define HALFSCOPE_AVX2 __attribute__((target("avx2,fma")))

namespace halfscope::avx2 {
namespace {

constexpr std::size_t kLanes = 8;
/// Elements between two looks at the running maximum: short enough that finding its index again costs little.
constexpr std::size_t kBlock = 1024;

/// Counts of biased exponents, folded into bins at the end. Several tables: neighbours of one magnitude then hit several addresses instead of
/// waiting for each other.
struct Histogram {
  static constexpr std::size_t kTables = 8;
  std::uint32_t counts[kTables][256] = {};
};

HALFSCOPE_AVX2 inline double sum(__m256d v) {
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

HALFSCOPE_AVX2 inline double largest(__m256d v) {
  const __m128d two = _mm_max_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
  return _mm_cvtsd_f64(_mm_max_sd(two, _mm_unpackhi_pd(two, two)));
}

HALFSCOPE_AVX2 inline double total(__m256i v) {
  alignas(32) std::int32_t lanes[kLanes];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), v);
  double result = 0;
  for (const auto lane : lanes) result += lane;
  return result;
}

/// Everything that is summed over fast groups of eight. One accumulator per figure, for both halves of a group: there are 16 registers.
struct Accumulators {
  __m256d absolute, squared_error, squared_reference, ulp, max_ulp;
  __m256 min_reference, max_reference, min_candidate, max_candidate;
  __m256i flushed, subnormal_reference, subnormal_candidate;
};

HALFSCOPE_AVX2 inline void fold_half(Accumulators& a, __m256d& max_error, __m128 reference, __m128 candidate, __m128 inverse_ulp) {
  const __m256d r = _mm256_cvtps_pd(reference);
  const __m256d error = _mm256_andnot_pd(_mm256_set1_pd(-0.0), _mm256_sub_pd(r, _mm256_cvtps_pd(candidate)));
  const __m256d ulp = _mm256_mul_pd(error, _mm256_cvtps_pd(inverse_ulp));
  max_error = _mm256_max_pd(max_error, error);
  a.absolute = _mm256_add_pd(a.absolute, error);
  a.squared_error = _mm256_fmadd_pd(error, error, a.squared_error);
  a.squared_reference = _mm256_fmadd_pd(r, r, a.squared_reference);
  a.ulp = _mm256_add_pd(a.ulp, ulp);
  a.max_ulp = _mm256_max_pd(a.max_ulp, ulp);
}

HALFSCOPE_AVX2 inline void count_exponents(Histogram& histogram, __m256i exponent) {
  alignas(32) std::uint32_t lanes[kLanes];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), exponent);
  for (std::size_t lane = 0; lane < kLanes; lane++) histogram.counts[lane % Histogram::kTables][lanes[lane]]++;
}

/// Zeros and subnormals. Most groups have none, and then this is not called.
HALFSCOPE_AVX2 inline void count_small(Accumulators& a, __m256i reference, __m256i candidate, __m256i smallest_normal) {
  const __m256i zero = _mm256_setzero_si256();
  const __m256i r_zero = _mm256_cmpeq_epi32(reference, zero);
  const __m256i c_zero = _mm256_cmpeq_epi32(candidate, zero);
  const __m256i r_small = _mm256_andnot_si256(r_zero, _mm256_cmpgt_epi32(smallest_normal, reference));
  const __m256i c_small = _mm256_andnot_si256(c_zero, _mm256_cmpgt_epi32(smallest_normal, candidate));
  a.flushed = _mm256_sub_epi32(a.flushed, _mm256_andnot_si256(r_zero, c_zero));
  a.subnormal_reference = _mm256_sub_epi32(a.subnormal_reference, r_small);
  a.subnormal_candidate = _mm256_sub_epi32(a.subnormal_candidate, c_small);
}

/// The first index of [from, to) whose finite pair has exactly this error. It exists: the vector loop saw it.
void find_maximum(ErrorStats& s, const void* reference, const void* candidate, std::size_t from, std::size_t to, double error) {
  for (std::size_t i = from; i < to; i++) {
    const float r = load_float(reference, i);
    const float c = load_float(candidate, i);
    if (std::abs(static_cast<double>(r) - static_cast<double>(c)) != error) continue;
    s.max_abs = error;
    s.max_index = static_cast<double>(i);
    s.max_reference = r;
    s.max_candidate = c;
    return;
  }
}

}  // namespace

HALFSCOPE_AVX2 ErrorStats compare_chunk(const void* reference, const void* candidate, std::size_t count) {
  const auto* r_bytes = static_cast<const unsigned char*>(reference);
  const auto* c_bytes = static_cast<const unsigned char*>(candidate);
  const __m256i magnitude_mask = _mm256_set1_epi32(0x7fffffff);
  const __m256i last_finite = _mm256_set1_epi32(0x7f7fffff);
  const __m256i smallest_normal = _mm256_set1_epi32(0x38800000);
  const __m256 infinity = _mm256_set1_ps(__builtin_inff());
  const __m256 minus_infinity = _mm256_set1_ps(-__builtin_inff());

  Accumulators a;
  a.absolute = a.squared_error = a.squared_reference = a.ulp = a.max_ulp = _mm256_setzero_pd();
  a.min_reference = a.min_candidate = infinity;
  a.max_reference = a.max_candidate = minus_infinity;
  a.flushed = a.subnormal_reference = a.subnormal_candidate = _mm256_setzero_si256();
  Histogram histogram;
  ErrorStats s;

  std::size_t i = 0;
  while (i + kLanes <= count) {
    const std::size_t block_from = i;
    const std::size_t block_to = std::min(count, i + kBlock);
    __m256d max_error = _mm256_set1_pd(-1);
    // Pairs that are not finite go one by one into `slow`; its maximum is looked at together with the block's.
    ErrorStats slow;
    bool any_slow = false;
    for (; i + kLanes <= block_to; i += kLanes) {
      const __m256 r = _mm256_loadu_ps(reinterpret_cast<const float*>(r_bytes + i * 4));
      const __m256 c = _mm256_loadu_ps(reinterpret_cast<const float*>(c_bytes + i * 4));
      const __m256i r_magnitude = _mm256_and_si256(_mm256_castps_si256(r), magnitude_mask);
      const __m256i c_magnitude = _mm256_and_si256(_mm256_castps_si256(c), magnitude_mask);
      const __m256i beyond = _mm256_cmpgt_epi32(_mm256_max_epi32(r_magnitude, c_magnitude), last_finite);
      if (__builtin_expect(!_mm256_testz_si256(beyond, beyond), 0)) {
        any_slow = true;
        for (std::size_t lane = 0; lane < kLanes; lane++) fold_pair(slow, load_float(reference, i + lane), load_float(candidate, i + lane), i + lane);
        continue;
      }
      const __m256i exponent = _mm256_srli_epi32(r_magnitude, 23);
      const __m256i ulp_exponent = _mm256_min_epi32(_mm256_max_epi32(exponent, _mm256_set1_epi32(113)), _mm256_set1_epi32(142));
      const __m256 inverse_ulp = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_sub_epi32(_mm256_set1_epi32(264), ulp_exponent), 23));
      fold_half(a, max_error, _mm256_castps256_ps128(r), _mm256_castps256_ps128(c), _mm256_castps256_ps128(inverse_ulp));
      fold_half(a, max_error, _mm256_extractf128_ps(r, 1), _mm256_extractf128_ps(c, 1), _mm256_extractf128_ps(inverse_ulp, 1));
      a.min_reference = _mm256_min_ps(a.min_reference, r);
      a.max_reference = _mm256_max_ps(a.max_reference, r);
      a.min_candidate = _mm256_min_ps(a.min_candidate, c);
      a.max_candidate = _mm256_max_ps(a.max_candidate, c);
      const __m256i small = _mm256_cmpgt_epi32(smallest_normal, _mm256_min_epi32(r_magnitude, c_magnitude));
      if (!_mm256_testz_si256(small, small)) count_small(a, r_magnitude, c_magnitude, smallest_normal);
      count_exponents(histogram, exponent);
    }
    const double block_max = largest(max_error);
    ErrorStats fast;
    if (block_max >= 0 && (s.max_index < 0 || block_max > s.max_abs)) find_maximum(fast, reference, candidate, block_from, i, block_max);
    if (any_slow) {
      // Both kinds of groups lie mixed in the block; the lower index wins a tie.
      const bool slow_first = slow.max_index >= 0 && (fast.max_index < 0 || slow.max_abs > fast.max_abs ||
                                                      (slow.max_abs == fast.max_abs && slow.max_index < fast.max_index));
      if (slow_first) {
        fast.max_abs = slow.max_abs;
        fast.max_index = slow.max_index;
        fast.max_reference = slow.max_reference;
        fast.max_candidate = slow.max_candidate;
      }
      slow.max_index = -1;
      merge(s, slow);
    }
    if (fast.max_index >= 0 && (s.max_index < 0 || fast.max_abs > s.max_abs)) {
      s.max_abs = fast.max_abs;
      s.max_index = fast.max_index;
      s.max_reference = fast.max_reference;
      s.max_candidate = fast.max_candidate;
    }
  }
  for (; i < count; i++) fold_pair(s, load_float(reference, i), load_float(candidate, i), i);

  s.sum_abs += sum(a.absolute);
  s.sum_squared_error += sum(a.squared_error);
  s.sum_squared_reference += sum(a.squared_reference);
  s.sum_ulp += sum(a.ulp);
  s.max_ulp = std::max(s.max_ulp, largest(a.max_ulp));
  s.flushed += total(a.flushed);
  s.subnormal_reference += total(a.subnormal_reference);
  s.subnormal_candidate += total(a.subnormal_candidate);
  alignas(32) float lanes[4][kLanes];
  _mm256_store_ps(lanes[0], a.min_reference);
  _mm256_store_ps(lanes[1], a.max_reference);
  _mm256_store_ps(lanes[2], a.min_candidate);
  _mm256_store_ps(lanes[3], a.max_candidate);
  for (std::size_t lane = 0; lane < kLanes; lane++) {
    s.min_reference = std::min(s.min_reference, static_cast<double>(lanes[0][lane]));
    s.max_reference_value = std::max(s.max_reference_value, static_cast<double>(lanes[1][lane]));
    s.min_candidate = std::min(s.min_candidate, static_cast<double>(lanes[2][lane]));
    s.max_candidate_value = std::max(s.max_candidate_value, static_cast<double>(lanes[3][lane]));
  }
  for (std::uint32_t exponent = 0; exponent < 256; exponent++) {
    std::uint32_t values = 0;
    for (const auto& table : histogram.counts) values += table[exponent];
    s.exponents[exponent_bin(static_cast<int>(exponent) - 127)] += values;
  }
  return s;
}

}  // namespace halfscope::avx2

#endif
