#include "core/half_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

// Functions carry the target attribute one by one, so that no instruction of theirs can leak into code that runs on any processor.
#define HALFSCOPE_AVX2 __attribute__((target("avx2,fma,f16c")))

namespace halfscope::avx2 {
namespace {

constexpr std::size_t kLanes = 8;

HALFSCOPE_AVX2 inline __m256 keep_finite(__m256 x) {
  const __m256 largest = _mm256_set1_ps(65504.0f);
  const __m256 magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
  // min and max return their second operand when one is NaN, so NaN passes through both.
  const __m256 clamped = _mm256_max_ps(_mm256_set1_ps(-65504.0f), _mm256_min_ps(largest, x));
  const __m256 infinite = _mm256_cmp_ps(magnitude, _mm256_set1_ps(__builtin_inff()), _CMP_EQ_OQ);
  return _mm256_blendv_ps(clamped, x, infinite);
}

template <Overflow kOverflow>
HALFSCOPE_AVX2 inline __m128i to_half(__m256 x) {
  if constexpr (kOverflow == Overflow::kToLargestFinite) x = keep_finite(x);
  return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT);  // nearest even, whatever MXCSR says
}

template <Overflow kOverflow>
HALFSCOPE_AVX2 void round_blocks(const unsigned char* source, float* destination, std::size_t count) {
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const __m256 x = _mm256_loadu_ps(reinterpret_cast<const float*>(source + i * 4));
    _mm256_storeu_ps(destination + i, _mm256_cvtph_ps(to_half<kOverflow>(x)));
  }
  if (i == count) return;
  float tail[kLanes] = {};
  std::memcpy(tail, source + i * 4, (count - i) * 4);
  _mm256_storeu_ps(tail, _mm256_cvtph_ps(to_half<kOverflow>(_mm256_loadu_ps(tail))));
  std::memcpy(destination + i, tail, (count - i) * 4);
}

template <Overflow kOverflow>
HALFSCOPE_AVX2 void narrow_blocks(const unsigned char* source, unsigned char* destination, std::size_t count) {
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const __m256 x = _mm256_loadu_ps(reinterpret_cast<const float*>(source + i * 4));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(destination + i * 2), to_half<kOverflow>(x));
  }
  if (i == count) return;
  float tail[kLanes] = {};
  std::memcpy(tail, source + i * 4, (count - i) * 4);
  const __m128i halves = to_half<kOverflow>(_mm256_loadu_ps(tail));
  std::memcpy(destination + i * 2, &halves, (count - i) * 2);
}

}  // namespace

void round_to_half(const void* source, float* destination, std::size_t count, Overflow overflow) {
  const auto* bytes = static_cast<const unsigned char*>(source);
  if (overflow == Overflow::kToInfinity) return round_blocks<Overflow::kToInfinity>(bytes, destination, count);
  round_blocks<Overflow::kToLargestFinite>(bytes, destination, count);
}

void float_to_half(const void* source, void* destination, std::size_t count, Overflow overflow) {
  const auto* from = static_cast<const unsigned char*>(source);
  auto* to = static_cast<unsigned char*>(destination);
  if (overflow == Overflow::kToInfinity) return narrow_blocks<Overflow::kToInfinity>(from, to, count);
  narrow_blocks<Overflow::kToLargestFinite>(from, to, count);
}

HALFSCOPE_AVX2 void half_to_float(const void* source, void* destination, std::size_t count) {
  const auto* from = static_cast<const unsigned char*>(source);
  auto* to = static_cast<unsigned char*>(destination);
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i * 2));
    _mm256_storeu_ps(reinterpret_cast<float*>(to + i * 4), _mm256_cvtph_ps(halves));
  }
  if (i == count) return;
  __m128i halves = _mm_setzero_si128();
  std::memcpy(&halves, from + i * 2, (count - i) * 2);
  float tail[kLanes];
  _mm256_storeu_ps(tail, _mm256_cvtph_ps(halves));
  std::memcpy(to + i * 4, tail, (count - i) * 4);
}

}  // namespace halfscope::avx2

#endif
