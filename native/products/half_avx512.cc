#include "products/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define HALFSCOPE_AVX512 __attribute__((target("avx512f,avx2,fma,f16c")))
#define HALFSCOPE_INLINE __attribute__((always_inline)) inline
#define HALFSCOPE_UNROLL _Pragma("GCC unroll 16")

namespace halfscope::products::avx512 {
namespace {

// 16 accumulators are twice what the latency of an FMA asks for; the rows' values come straight from memory.
constexpr std::size_t kRows = 8;
constexpr std::size_t kVectors = 2;
constexpr std::size_t kColumns = kVectors * 16;
template <std::size_t kCount, std::size_t kAcross>
using Sums = __m512[kCount][kAcross];

template <std::size_t kCount, std::size_t kAcross>
HALFSCOPE_AVX512 HALFSCOPE_INLINE void add_step(Sums<kCount, kAcross>& sums, const float* left, const float* right) {
  __m512 values[kAcross];
  HALFSCOPE_UNROLL for (std::size_t j = 0; j < kAcross; j++) values[j] = _mm512_load_ps(right + j * 16);
  HALFSCOPE_UNROLL for (std::size_t i = 0; i < kCount; i++) {
    const __m512 factor = _mm512_set1_ps(left[i]);
    HALFSCOPE_UNROLL for (std::size_t j = 0; j < kAcross; j++) sums[i][j] = _mm512_fmadd_ps(factor, values[j], sums[i][j]);
  }
}

template <std::size_t kCount, std::size_t kAcross>
HALFSCOPE_AVX512 HALFSCOPE_INLINE void round_sums(Sums<kCount, kAcross>& sums) {
  HALFSCOPE_UNROLL for (std::size_t i = 0; i < kCount; i++) {
    HALFSCOPE_UNROLL for (std::size_t j = 0; j < kAcross; j++)
      sums[i][j] = _mm512_cvtph_ps(_mm512_cvtps_ph(sums[i][j], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));  // nearest even, whatever MXCSR says
  }
}

template <std::size_t kCount, std::size_t kAcross>
HALFSCOPE_AVX512 void run(const Panel& left_panel, const Panel& right_panel, std::size_t depth, const TileSums& how, float* tile, std::size_t stride, bool resume) {
  const float *left = left_panel.values, *right = right_panel.values;
  const std::size_t chunk = how.chunk;
  Sums<kCount, kAcross> sums;
  HALFSCOPE_UNROLL for (std::size_t i = 0; i < kCount; i++) {
    HALFSCOPE_UNROLL for (std::size_t j = 0; j < kAcross; j++)
      sums[i][j] = resume ? _mm512_loadu_ps(tile + i * stride + j * 16) : _mm512_setzero_ps();
  }
  if (chunk == 16) {  // what all known chips of today come down to
    for (; depth >= 16; depth -= 16, left += 16 * kRows, right += 16 * kColumns) {
      HALFSCOPE_UNROLL for (std::size_t q = 0; q < 16; q++) add_step<kCount, kAcross>(sums, left + q * kRows, right + q * kColumns);
      round_sums<kCount, kAcross>(sums);
    }
  }
  while (depth > 0) {
    const std::size_t steps = depth < chunk ? depth : chunk;
    for (std::size_t k = 0; k < steps; k++, left += kRows, right += kColumns) add_step<kCount, kAcross>(sums, left, right);
    round_sums<kCount, kAcross>(sums);
    depth -= steps;
  }
  HALFSCOPE_UNROLL for (std::size_t i = 0; i < kCount; i++) {
    // Adding 0 turns -0 into 0.
    HALFSCOPE_UNROLL for (std::size_t j = 0; j < kAcross; j++)
      _mm512_storeu_ps(tile + i * stride + j * 16, _mm512_add_ps(sums[i][j], _mm512_setzero_ps()));
  }
}

/// FP32 sums: those of each chunk from zero, then added to what is there.
template <std::size_t kCount, std::size_t kAcross>
HALFSCOPE_AVX512 void run_plain(const Panel& left_panel, const Panel& right_panel, std::size_t depth, const TileSums& how, float* tile, std::size_t stride,
                              bool resume) {
  const float *left = left_panel.values, *right = right_panel.values;
  for (; depth > 0; resume = true) {
    const std::size_t steps = depth < how.chunk ? depth : how.chunk;
    depth -= steps;
    Sums<kCount, kAcross> sums;
    HALFSCOPE_UNROLL for (std::size_t i = 0; i < kCount; i++) {
      HALFSCOPE_UNROLL for (std::size_t j = 0; j < kAcross; j++) sums[i][j] = _mm512_setzero_ps();
    }
    std::size_t k = 0;
    for (; k + 8 <= steps; k += 8, left += 8 * kRows, right += 8 * kColumns) {
      HALFSCOPE_UNROLL for (std::size_t q = 0; q < 8; q++) add_step<kCount, kAcross>(sums, left + q * kRows, right + q * kColumns);
    }
    for (; k < steps; k++, left += kRows, right += kColumns) add_step<kCount, kAcross>(sums, left, right);
    HALFSCOPE_UNROLL for (std::size_t i = 0; i < kCount; i++) {
      HALFSCOPE_UNROLL for (std::size_t j = 0; j < kAcross; j++) {
        float* at = tile + i * stride + j * 16;
        _mm512_storeu_ps(at, resume ? _mm512_add_ps(_mm512_loadu_ps(at), sums[i][j]) : sums[i][j]);
      }
    }
  }
}

}  // namespace

Tile half_tile() {
  return {kRows,
          kColumns,
          {run<1, kVectors>, run<2, kVectors>, run<3, kVectors>, run<4, kVectors>, run<5, kVectors>, run<6, kVectors>, run<7, kVectors>, run<8, kVectors>},
          {run<1, 1>, run<2, 1>, run<3, 1>, run<4, 1>, run<5, 1>, run<6, 1>, run<7, 1>, run<8, 1>}};
}

Tile plain_tile() {
  return {kRows,
          kColumns,
          {run_plain<1, kVectors>, run_plain<2, kVectors>, run_plain<3, kVectors>, run_plain<4, kVectors>, run_plain<5, kVectors>, run_plain<6, kVectors>, run_plain<7, kVectors>, run_plain<8, kVectors>},
          {run_plain<1, 1>, run_plain<2, 1>, run_plain<3, 1>, run_plain<4, 1>, run_plain<5, 1>, run_plain<6, 1>, run_plain<7, 1>, run_plain<8, 1>}};
}

}  // namespace halfscope::products::avx512

#endif
