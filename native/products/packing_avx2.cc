#include "products/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#define HALFSCOPE_AVX2 __attribute__((target("avx2,fma,f16c")))

namespace halfscope::products::avx2 {
namespace {

const float* at(const unsigned char* from, std::size_t index) { return reinterpret_cast<const float*>(from + index * sizeof(float)); }

template <std::size_t kWidth>
HALFSCOPE_AVX2 void copy_vectors(const unsigned char* from, std::size_t k_step, std::size_t depth, float* panels, std::size_t count, std::size_t panel_step) {
  for (std::size_t k = 0; k < depth; k++, from += k_step * sizeof(float), panels += kWidth) {
    for (std::size_t p = 0; p < count; p++) {
      for (std::size_t i = 0; i < kWidth; i += 8) _mm256_storeu_ps(panels + p * panel_step + i, _mm256_loadu_ps(at(from, p * kWidth + i)));
    }
  }
}

HALFSCOPE_AVX2 void copy(const unsigned char* from, std::size_t k_step, std::size_t depth, std::size_t width, float* panels, std::size_t count,
                         std::size_t panel_step) {
  if (width == 8) return copy_vectors<8>(from, k_step, depth, panels, count, panel_step);
  if (width == 16) return copy_vectors<16>(from, k_step, depth, panels, count, panel_step);
  if (width == 32) return copy_vectors<32>(from, k_step, depth, panels, count, panel_step);
  for (std::size_t k = 0; k < depth; k++, from += k_step * sizeof(float), panels += width) {
    for (std::size_t p = 0; p < count; p++) std::memcpy(panels + p * panel_step, from + p * width * sizeof(float), width * sizeof(float));
  }
}

/// Eight rows of eight become eight columns.
HALFSCOPE_AVX2 inline void turn(__m256 (&rows)[8]) {
  const __m256 a0 = _mm256_unpacklo_ps(rows[0], rows[1]), a1 = _mm256_unpackhi_ps(rows[0], rows[1]);
  const __m256 a2 = _mm256_unpacklo_ps(rows[2], rows[3]), a3 = _mm256_unpackhi_ps(rows[2], rows[3]);
  const __m256 a4 = _mm256_unpacklo_ps(rows[4], rows[5]), a5 = _mm256_unpackhi_ps(rows[4], rows[5]);
  const __m256 a6 = _mm256_unpacklo_ps(rows[6], rows[7]), a7 = _mm256_unpackhi_ps(rows[6], rows[7]);
  const __m256 b0 = _mm256_shuffle_ps(a0, a2, 0x44), b1 = _mm256_shuffle_ps(a0, a2, 0xee);
  const __m256 b2 = _mm256_shuffle_ps(a1, a3, 0x44), b3 = _mm256_shuffle_ps(a1, a3, 0xee);
  const __m256 b4 = _mm256_shuffle_ps(a4, a6, 0x44), b5 = _mm256_shuffle_ps(a4, a6, 0xee);
  const __m256 b6 = _mm256_shuffle_ps(a5, a7, 0x44), b7 = _mm256_shuffle_ps(a5, a7, 0xee);
  rows[0] = _mm256_permute2f128_ps(b0, b4, 0x20);
  rows[1] = _mm256_permute2f128_ps(b1, b5, 0x20);
  rows[2] = _mm256_permute2f128_ps(b2, b6, 0x20);
  rows[3] = _mm256_permute2f128_ps(b3, b7, 0x20);
  rows[4] = _mm256_permute2f128_ps(b0, b4, 0x31);
  rows[5] = _mm256_permute2f128_ps(b1, b5, 0x31);
  rows[6] = _mm256_permute2f128_ps(b2, b6, 0x31);
  rows[7] = _mm256_permute2f128_ps(b3, b7, 0x31);
}

HALFSCOPE_AVX2 void transpose(const unsigned char* from, std::size_t lane_step, std::size_t depth, std::size_t width, float* panel) {
  std::size_t k = 0;
  for (; k + 8 <= depth; k += 8) {
    for (std::size_t lane = 0; lane < width; lane += 8) {
      __m256 rows[8];
      for (std::size_t i = 0; i < 8; i++) {
        // Lanes that the panel lacks repeat its last one: what they write is overwritten by the next k, or lies behind the panel.
        const std::size_t row = lane + i < width ? lane + i : width - 1;
        rows[i] = _mm256_loadu_ps(at(from, row * lane_step + k));
      }
      turn(rows);
      for (std::size_t i = 0; i < 8; i++) _mm256_storeu_ps(panel + (k + i) * width + lane, rows[i]);
    }
  }
  for (; k < depth; k++) {
    for (std::size_t i = 0; i < width; i++) std::memcpy(panel + k * width + i, from + (i * lane_step + k) * sizeof(float), sizeof(float));
  }
}

/// Elements that are read for a run when whole vectors are.
std::size_t reach_of(const LaneRun& run) { return static_cast<std::size_t>(run.from) + (run.lanes + 7) / 8 * 8 * run.step; }

HALFSCOPE_AVX2 void gather(const unsigned char* from, std::size_t k_step, std::size_t depth, const LaneRun* runs, std::size_t count, std::size_t width,
                           float* panel, std::size_t readable) {
  for (std::size_t k = 0; k < depth; k++, panel += width) {
    const std::size_t at_k = k * k_step;
    float* lane = panel;
    // Vectors write beyond a run's lanes: the next run, or the next k, overwrites that.
    for (std::size_t r = 0; r < count; lane += runs[r].lanes, r++) {
      const LaneRun& run = runs[r];
      if (run.from < 0) {
        for (std::size_t i = 0; i < run.lanes; i += 8) _mm256_storeu_ps(lane + i, _mm256_setzero_ps());
      } else if (run.step > 2 || at_k + reach_of(run) > readable) {
        scalar::gather(from + at_k * sizeof(float), 0, 1, &run, 1, run.lanes, lane, 0);
      } else if (run.step == 1) {
        for (std::size_t i = 0; i < run.lanes; i += 8) _mm256_storeu_ps(lane + i, _mm256_loadu_ps(at(from, at_k + static_cast<std::size_t>(run.from) + i)));
      } else {
        for (std::size_t i = 0; i < run.lanes; i += 8) {
          const float* pairs = at(from, at_k + static_cast<std::size_t>(run.from) + 2 * i);
          const __m256 even = _mm256_shuffle_ps(_mm256_loadu_ps(pairs), _mm256_loadu_ps(pairs + 8), 0x88);
          _mm256_storeu_ps(lane + i, _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(even), 0xd8)));
        }
      }
    }
  }
}

}  // namespace

Packers packers() { return {copy, transpose, gather}; }

}  // namespace halfscope::products::avx2

#endif
