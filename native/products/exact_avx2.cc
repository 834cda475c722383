#include "products/exact.h"
#include "products/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>

#define HALFSCOPE_AVX2 __attribute__((target("avx2,fma,f16c")))
#define HALFSCOPE_INLINE __attribute__((always_inline)) inline

namespace halfscope::products::avx2 {
namespace {

constexpr std::size_t kRows = 4;
constexpr std::size_t kColumns = 16;

/// All that the lanes of eight columns need to know about a group.
struct Alignment {
  __m256 scale;       ///< 2^(fraction bits - exponent): a term times this, cut to an integer, is what the chip adds
  __m256i exponent;   ///< less the fraction bits: the unit of that integer
  __m256 keep;        ///< all ones where the accumulator stays: no product is other than zero, or it is not finite
};

HALFSCOPE_AVX2 HALFSCOPE_INLINE Alignment align(__m256i products, __m256 accumulator, const TileSums& sums) {
  const __m256i magnitude = _mm256_and_si256(_mm256_castps_si256(accumulator), _mm256_set1_epi32(0x7fffffff));
  const __m256i field = _mm256_srli_epi32(magnitude, 23);
  const __m256i none = _mm256_set1_epi32(kZeroMark);
  __m256i own = _mm256_max_epi32(_mm256_sub_epi32(field, _mm256_set1_epi32(127)), _mm256_set1_epi32(sums.half ? -14 : -126));
  own = _mm256_blendv_epi8(own, none, _mm256_cmpeq_epi32(magnitude, _mm256_setzero_si256()));
  // Products of FP16 values have exponents of -28 or more: below that nothing is added, and any exponent will do.
  const __m256i least = _mm256_set1_epi32(sums.half ? std::max(sums.chip->least_exponent, -40) : -40);
  const __m256i exponent = _mm256_max_epi32(_mm256_max_epi32(products, own), least);
  const __m256i infinite = _mm256_cmpeq_epi32(field, _mm256_set1_epi32(255));
  const __m256i nothing = _mm256_cmpgt_epi32(_mm256_set1_epi32(-1000), products);
  const int fraction = sums.chip->fraction_bits;
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_sub_epi32(_mm256_set1_epi32(fraction + 127), exponent), 23)),
          _mm256_sub_epi32(exponent, _mm256_set1_epi32(fraction)), _mm256_castsi256_ps(_mm256_or_si256(infinite, nothing))};
}

/// (first + second) * 2^unit for four lanes, cut to 24 significant bits; with `odd` the last of them says whether something was cut off, so that rounding again
/// to fewer bits is right.
HALFSCOPE_AVX2 HALFSCOPE_INLINE __m128 cut(__m128i first, __m128i second, __m128i unit, bool odd) {
  const __m256i exponent = _mm256_slli_epi64(_mm256_add_epi64(_mm256_cvtepi32_epi64(unit), _mm256_set1_epi64x(1023)), 52);
  const __m256d sum = _mm256_mul_pd(_mm256_add_pd(_mm256_cvtepi32_pd(first), _mm256_cvtepi32_pd(second)), _mm256_castsi256_pd(exponent));
  const __m256i low = _mm256_set1_epi64x((1ll << 29) - 1);
  const __m256i bits = _mm256_castpd_si256(sum);
  __m256i kept = _mm256_andnot_si256(low, bits);
  if (odd) {
    const __m256i exact = _mm256_cmpeq_epi64(_mm256_and_si256(bits, low), _mm256_setzero_si256());
    kept = _mm256_or_si256(kept, _mm256_andnot_si256(exact, _mm256_set1_epi64x(1ll << 29)));
  }
  return _mm256_cvtpd_ps(_mm256_castsi256_pd(kept));
}

HALFSCOPE_AVX2 HALFSCOPE_INLINE __m256 result(__m256i first, __m256i second, const Alignment& at, __m256 accumulator, bool half) {
  const __m128 low = cut(_mm256_castsi256_si128(first), _mm256_castsi256_si128(second), _mm256_castsi256_si128(at.exponent), half);
  const __m128 high = cut(_mm256_extracti128_si256(first, 1), _mm256_extracti128_si256(second, 1), _mm256_extracti128_si256(at.exponent, 1), half);
  __m256 sum = _mm256_set_m128(high, low);
  if (half) sum = _mm256_add_ps(_mm256_cvtph_ps(_mm256_cvtps_ph(sum, _MM_FROUND_TO_NEAREST_INT)), _mm256_setzero_ps());
  return _mm256_blendv_ps(sum, accumulator, at.keep);
}

/// One row of the tile: sixteen accumulators.
HALFSCOPE_AVX2 void add_row(const Panel& left, const Panel& right, std::size_t row, std::size_t depth, const TileSums& sums, float* out, bool resume) {
  __m256 low = resume ? _mm256_loadu_ps(out) : _mm256_setzero_ps();
  __m256 high = resume ? _mm256_loadu_ps(out + 8) : _mm256_setzero_ps();
  for (std::size_t from = 0; from < depth; from += sums.chunk) {
    const std::size_t count = std::min(sums.chunk, depth - from);
    const float* a = left.values + from * kRows + row;
    const float* b = right.values + from * kColumns;
    const std::int16_t* ea = left.exponents + from * kRows + row;
    const std::int16_t* eb = right.exponents + from * kColumns;
    __m256i exponents = _mm256_set1_epi16(2 * kZeroMark);
    for (std::size_t k = 0; k < count; k++) {
      const __m256i b_exponents = _mm256_load_si256(reinterpret_cast<const __m256i*>(eb + k * kColumns));
      exponents = _mm256_max_epi16(exponents, _mm256_add_epi16(_mm256_set1_epi16(ea[k * kRows]), b_exponents));
    }
    const Alignment at_low = align(_mm256_cvtepi16_epi32(_mm256_castsi256_si128(exponents)), low, sums);
    const Alignment at_high = align(_mm256_cvtepi16_epi32(_mm256_extracti128_si256(exponents, 1)), high, sums);
    // Two sums of at most eight products each: one of sixteen and the accumulator would not fit into 32 bits.
    __m256i low_sums[2] = {_mm256_cvttps_epi32(_mm256_mul_ps(low, at_low.scale)), _mm256_setzero_si256()};
    __m256i high_sums[2] = {_mm256_cvttps_epi32(_mm256_mul_ps(high, at_high.scale)), _mm256_setzero_si256()};
    const auto add = [&](std::size_t k, __m256i& low_sum, __m256i& high_sum) HALFSCOPE_AVX2 {
      const __m256 factor = _mm256_broadcast_ss(a + k * kRows);
      const __m256 low_product = _mm256_mul_ps(factor, _mm256_load_ps(b + k * kColumns));
      const __m256 high_product = _mm256_mul_ps(factor, _mm256_load_ps(b + k * kColumns + 8));
      low_sum = _mm256_add_epi32(low_sum, _mm256_cvttps_epi32(_mm256_mul_ps(low_product, at_low.scale)));
      high_sum = _mm256_add_epi32(high_sum, _mm256_cvttps_epi32(_mm256_mul_ps(high_product, at_high.scale)));
    };
    std::size_t k = 0;
    for (const std::size_t first = std::min<std::size_t>(count, 8); k < first; k++) add(k, low_sums[0], high_sums[0]);
    for (; k < count; k++) add(k, low_sums[1], high_sums[1]);
    const int special = _mm256_movemask_epi8(_mm256_cmpgt_epi16(exponents, _mm256_set1_epi16(1000)));
    const __m256 low_result = result(low_sums[0], low_sums[1], at_low, low, sums.half);
    const __m256 high_result = result(high_sums[0], high_sums[1], at_high, high, sums.half);
    if (__builtin_expect(special != 0, 0)) {
      alignas(32) float before[kColumns], after[kColumns];
      _mm256_store_ps(before, low);
      _mm256_store_ps(before + 8, high);
      _mm256_store_ps(after, low_result);
      _mm256_store_ps(after + 8, high_result);
      for (std::size_t j = 0; j < kColumns; j++) {
        if ((special >> (2 * j) & 1) != 0) after[j] = add_group(*sums.chip, sums.half, before[j], a, kRows, b + j, kColumns, count);
      }
      low = _mm256_load_ps(after);
      high = _mm256_load_ps(after + 8);
      continue;
    }
    low = low_result;
    high = high_result;
  }
  _mm256_storeu_ps(out, low);
  _mm256_storeu_ps(out + 8, high);
}

template <std::size_t kCount>
HALFSCOPE_AVX2 void run(const Panel& left, const Panel& right, std::size_t depth, const TileSums& sums, float* tile, std::size_t stride, bool resume) {
  for (std::size_t i = 0; i < kCount; i++) add_row(left, right, i, depth, sums, tile + i * stride, resume);
}

}  // namespace

Tile exact_tile() { return {kRows, kColumns, {run<1>, run<2>, run<3>, run<4>}, {}}; }

}  // namespace halfscope::products::avx2

#endif
