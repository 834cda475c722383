#include "core/bfloat_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#define HALFSCOPE_AVX2 __attribute__((target("avx2,fma,f16c")))

namespace halfscope::avx2 {
namespace {

constexpr std::size_t kLanes = 8;

/// The rounded values in the upper 16 bits of each lane; the lower ones are 0.
template <Overflow kOverflow>
HALFSCOPE_AVX2 inline __m256i rounded(__m256i bits) {
  const __m256i infinity = _mm256_set1_epi32(0x7f800000);
  const __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
  const __m256i nan = _mm256_cmpgt_epi32(magnitude, infinity);
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x00400000));
  const __m256i last_kept = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  __m256i nearest = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), last_kept);
  if constexpr (kOverflow == Overflow::kToLargestFinite) {
    const __m256i largest = _mm256_set1_epi32(0x7f7f0000);
    const __m256i beyond = _mm256_andnot_si256(_mm256_cmpeq_epi32(magnitude, infinity), _mm256_cmpgt_epi32(magnitude, largest));
    const __m256i sign = _mm256_andnot_si256(_mm256_set1_epi32(0x7fffffff), bits);
    nearest = _mm256_blendv_epi8(nearest, _mm256_or_si256(sign, largest), beyond);
  }
  return _mm256_and_si256(_mm256_blendv_epi8(nearest, quiet, nan), _mm256_set1_epi32(static_cast<int>(0xffff0000u)));
}

template <Overflow kOverflow>
HALFSCOPE_AVX2 inline __m128i narrowed(__m256i bits) {
  const __m256i values = _mm256_srli_epi32(rounded<kOverflow>(bits), 16);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(values, values), 0x08);
  return _mm256_castsi256_si128(packed);
}

HALFSCOPE_AVX2 inline __m256i load(const unsigned char* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }

template <Overflow kOverflow>
HALFSCOPE_AVX2 void round_blocks(const unsigned char* source, unsigned char* destination, std::size_t count) {
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(destination + i * 4), rounded<kOverflow>(load(source + i * 4)));
  if (i == count) return;
  unsigned char tail[kLanes * 4] = {};
  std::memcpy(tail, source + i * 4, (count - i) * 4);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(tail), rounded<kOverflow>(load(tail)));
  std::memcpy(destination + i * 4, tail, (count - i) * 4);
}

template <Overflow kOverflow>
HALFSCOPE_AVX2 void narrow_blocks(const unsigned char* source, unsigned char* destination, std::size_t count) {
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(destination + i * 2), narrowed<kOverflow>(load(source + i * 4)));
  if (i == count) return;
  unsigned char tail[kLanes * 4] = {};
  std::memcpy(tail, source + i * 4, (count - i) * 4);
  const __m128i values = narrowed<kOverflow>(load(tail));
  std::memcpy(destination + i * 2, &values, (count - i) * 2);
}

}  // namespace

void round_to_bfloat(const void* source, float* destination, std::size_t count, Overflow overflow) {
  const auto* from = static_cast<const unsigned char*>(source);
  auto* to = reinterpret_cast<unsigned char*>(destination);
  if (overflow == Overflow::kToInfinity) return round_blocks<Overflow::kToInfinity>(from, to, count);
  round_blocks<Overflow::kToLargestFinite>(from, to, count);
}

void float_to_bfloat(const void* source, void* destination, std::size_t count, Overflow overflow) {
  const auto* from = static_cast<const unsigned char*>(source);
  auto* to = static_cast<unsigned char*>(destination);
  if (overflow == Overflow::kToInfinity) return narrow_blocks<Overflow::kToInfinity>(from, to, count);
  narrow_blocks<Overflow::kToLargestFinite>(from, to, count);
}

}  // namespace halfscope::avx2

#endif
