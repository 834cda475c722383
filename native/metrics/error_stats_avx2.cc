#include "metrics/error_stats_avx2.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "metrics/pair.h"

#define HALFSCOPE_AVX2 __attribute__((target("avx2,fma")))

// A block of pairs fits the first cache, so it is read as often as it takes: once for what magnitudes and signs tell (integer operations on the floats'
// bits), once for the exponents' counts, once for the sums. Each reading keeps its accumulators in registers, and none needs what only few blocks have.

namespace halfscope::avx2 {
namespace {

constexpr std::size_t kLanes = 8;
constexpr std::size_t kBlock = 1024;
/// Elements whose exponents fill one register of bytes; blocks are filled up to a multiple of it.
constexpr std::size_t kStep = 32;

HALFSCOPE_AVX2 inline __m256i load_bits(const float* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }

HALFSCOPE_AVX2 inline double sum(__m256d v) {
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

HALFSCOPE_AVX2 inline double largest(__m256d v) {
  const __m128d two = _mm_max_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
  return _mm_cvtsd_f64(_mm_max_sd(two, _mm_unpackhi_pd(two, two)));
}

HALFSCOPE_AVX2 inline std::uint32_t total(__m256i v) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1))));
}

template <class Fold>
HALFSCOPE_AVX2 inline std::uint32_t fold_lanes(__m256i v, Fold fold) {
  __m128i four = fold(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  four = fold(four, _mm_shuffle_epi32(four, 0x4e));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(fold(four, _mm_shuffle_epi32(four, 0xb1))));
}
HALFSCOPE_AVX2 inline __m128i max_signed(__m128i a, __m128i b) { return _mm_max_epi32(a, b); }
HALFSCOPE_AVX2 inline __m128i max_unsigned(__m128i a, __m128i b) { return _mm_max_epu32(a, b); }
HALFSCOPE_AVX2 inline __m128i min_unsigned(__m128i a, __m128i b) { return _mm_min_epu32(a, b); }

inline float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// One side of a block by its floats' bits. As signed numbers the largest is the largest float, if any is positive; as unsigned ones it is the most
/// negative float, if any is negative. Of floats of one sign, the other end of the range is the one nearest to zero.
struct Side {
  std::uint32_t largest_signed, largest_unsigned, nearest_to_zero;
  bool any_positive() const { return static_cast<std::int32_t>(largest_signed) >= 0; }
  bool any_negative() const { return (largest_unsigned >> 31) != 0; }
  bool finite() const { return !(any_positive() && largest_signed >= 0x7f800000u) && largest_unsigned < 0xff800000u; }
  double low() const { return float_of(any_negative() ? largest_unsigned : nearest_to_zero); }
  double high() const { return float_of(any_positive() ? largest_signed : nearest_to_zero | 0x80000000u); }
};

struct Scan {
  Side reference, candidate;
  std::uint32_t lowest_bin, highest_bin;
};

/// First reading; writes the bins of the reference's exponents to `bins`, in some order within each 32.
HALFSCOPE_AVX2 Scan scan(const float* reference, const float* candidate, std::size_t count, unsigned char* bins) {
  __m256i r_signed = _mm256_set1_epi32(INT32_MIN), c_signed = r_signed;
  __m256i r_unsigned = _mm256_setzero_si256(), c_unsigned = r_unsigned;
  __m256i r_nearest = _mm256_set1_epi32(-1), c_nearest = r_nearest;
  __m256i lowest = _mm256_set1_epi8(-1), highest = _mm256_setzero_si256();
  const __m256i low_byte = _mm256_set1_epi16(0xff);
  const __m256i below_bins = _mm256_set1_epi8(127 - kExponentBias), last_bin = _mm256_set1_epi8(kExponentBins - 1);
  for (std::size_t i = 0; i < count; i += kStep) {
    __m256i exponents[4];
#pragma GCC unroll 4
    for (std::size_t k = 0; k < 4; k++) {
      const __m256i r = load_bits(reference + i + k * kLanes);
      const __m256i c = load_bits(candidate + i + k * kLanes);
      r_signed = _mm256_max_epi32(r_signed, r);
      r_unsigned = _mm256_max_epu32(r_unsigned, r);
      c_signed = _mm256_max_epi32(c_signed, c);
      c_unsigned = _mm256_max_epu32(c_unsigned, c);
      r_nearest = _mm256_min_epu32(r_nearest, r);  // of use where all are of one sign
      c_nearest = _mm256_min_epu32(c_nearest, _mm256_slli_epi32(c, 1));
      exponents[k] = _mm256_srli_epi32(r, 23);  // with the sign above it
    }
    const __m256i first = _mm256_and_si256(_mm256_packus_epi32(exponents[0], exponents[1]), low_byte);
    const __m256i second = _mm256_and_si256(_mm256_packus_epi32(exponents[2], exponents[3]), low_byte);
    const __m256i bin = _mm256_min_epu8(_mm256_subs_epu8(_mm256_packus_epi16(first, second), below_bins), last_bin);
    lowest = _mm256_min_epu8(lowest, bin);
    highest = _mm256_max_epu8(highest, bin);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(bins + i), bin);
  }
  alignas(32) unsigned char bytes[2][32];
  _mm256_store_si256(reinterpret_cast<__m256i*>(bytes[0]), lowest);
  _mm256_store_si256(reinterpret_cast<__m256i*>(bytes[1]), highest);
  return {{fold_lanes(r_signed, max_signed), fold_lanes(r_unsigned, max_unsigned), fold_lanes(r_nearest, min_unsigned)},
          {fold_lanes(c_signed, max_signed), fold_lanes(c_unsigned, max_unsigned), fold_lanes(c_nearest, min_unsigned) >> 1},
          *std::min_element(bytes[0], bytes[0] + 32),
          *std::max_element(bytes[1], bytes[1] + 32)};
}

/// Counts bins between `lowest` and `highest`: a few comparisons of 32 bytes each where they lie close together, as most tensors' do.
HALFSCOPE_AVX2 void count_bins(std::uint32_t* counts, const unsigned char* bins, std::size_t count, std::uint32_t lowest, std::uint32_t highest) {
  constexpr std::uint32_t kAtOnce = 4, kFew = 24;
  if (highest - lowest >= kFew) {
    std::uint32_t tables[4][kExponentBins] = {};
    for (std::size_t i = 0; i < count; i += 4)
      for (std::size_t k = 0; k < 4; k++) tables[k][bins[i + k]]++;
    for (std::size_t bin = 0; bin < kExponentBins; bin++) counts[bin] += tables[0][bin] + tables[1][bin] + tables[2][bin] + tables[3][bin];
    return;
  }
  for (std::uint32_t bin = lowest; bin <= highest; bin += kAtOnce) {
    __m256i wanted[kAtOnce], found[kAtOnce];
#pragma GCC unroll 4
    for (std::uint32_t k = 0; k < kAtOnce; k++) {
      wanted[k] = _mm256_set1_epi8(static_cast<char>(bin + k));
      found[k] = _mm256_setzero_si256();
    }
    for (std::size_t i = 0; i < count; i += kStep) {  // at most 32 times: bytes hold the counts
      const __m256i b = _mm256_load_si256(reinterpret_cast<const __m256i*>(bins + i));
#pragma GCC unroll 4
      for (std::uint32_t k = 0; k < kAtOnce; k++) found[k] = _mm256_sub_epi8(found[k], _mm256_cmpeq_epi8(b, wanted[k]));
    }
    for (std::uint32_t k = 0; k < kAtOnce && bin + k <= highest; k++) counts[bin + k] += total(_mm256_sad_epu8(found[k], _mm256_setzero_si256()));
  }
}

/// Zeros and numbers below FP16's normal ones. Most blocks have none, and then this is not called.
HALFSCOPE_AVX2 void count_small(ErrorStats& s, const float* reference, const float* candidate, std::size_t count) {
  const __m256i zero = _mm256_setzero_si256(), magnitude = _mm256_set1_epi32(0x7fffffff), smallest_normal = _mm256_set1_epi32(0x38800000);
  __m256i flushed = zero, r_subnormal = zero, c_subnormal = zero;
  for (std::size_t i = 0; i < count; i += kLanes) {
    const __m256i r = _mm256_and_si256(load_bits(reference + i), magnitude);
    const __m256i c = _mm256_and_si256(load_bits(candidate + i), magnitude);
    const __m256i r_zero = _mm256_cmpeq_epi32(r, zero);
    const __m256i c_zero = _mm256_cmpeq_epi32(c, zero);
    flushed = _mm256_sub_epi32(flushed, _mm256_andnot_si256(r_zero, c_zero));
    r_subnormal = _mm256_sub_epi32(r_subnormal, _mm256_andnot_si256(r_zero, _mm256_cmpgt_epi32(smallest_normal, r)));
    c_subnormal = _mm256_sub_epi32(c_subnormal, _mm256_andnot_si256(c_zero, _mm256_cmpgt_epi32(smallest_normal, c)));
  }
  s.flushed += total(flushed);
  s.subnormal_reference += total(r_subnormal);
  s.subnormal_candidate += total(c_subnormal);
}

/// Two of each: a fused addition waits four cycles for the one before it.
struct Sums {
  __m256d absolute[2], squared_error[2], squared_reference[2], ulp[2], max_error, max_ulp;
};

template <bool kClamp>
HALFSCOPE_AVX2 inline void add_four(Sums& a, const float* reference, const float* candidate, std::size_t half) {
  const __m256d r = _mm256_cvtps_pd(_mm_loadu_ps(reference));
  const __m256d error = _mm256_andnot_pd(_mm256_set1_pd(-0.0), _mm256_sub_pd(r, _mm256_cvtps_pd(_mm_loadu_ps(candidate))));
  // 1 / (FP16 ulp): 2^(10 - clamp(exponent, -14, 15)), by the exponent bits alone; the low halves of these registers are zero.
  __m256i exponent = _mm256_and_si256(_mm256_castpd_si256(r), _mm256_set1_epi64x(std::int64_t{0x7ff} << 52));
  if (kClamp) {
    exponent = _mm256_max_epi32(exponent, _mm256_set1_epi64x(std::int64_t{1023 - 14} << 52));
    exponent = _mm256_min_epi32(exponent, _mm256_set1_epi64x(std::int64_t{1023 + 15} << 52));
  }
  const __m256i inverse = _mm256_sub_epi64(_mm256_set1_epi64x(static_cast<std::int64_t>(std::uint64_t{2 * 1023 + 10} << 52)), exponent);
  const __m256d inverse_ulp = _mm256_castsi256_pd(inverse);
  // Products with a power of two are exact: fused or not, these are plain additions, on units that have less to do than the adders.
  a.absolute[half] = _mm256_fmadd_pd(error, _mm256_set1_pd(1), a.absolute[half]);
  a.ulp[half] = _mm256_fmadd_pd(error, inverse_ulp, a.ulp[half]);
  a.squared_error[half] = _mm256_fmadd_pd(error, error, a.squared_error[half]);
  a.squared_reference[half] = _mm256_fmadd_pd(r, r, a.squared_reference[half]);
  a.max_error = _mm256_max_pd(a.max_error, error);
  a.max_ulp = _mm256_max_pd(a.max_ulp, _mm256_mul_pd(error, inverse_ulp));
}

HALFSCOPE_AVX2 inline double sum(const __m256d (&two)[2]) { return sum(_mm256_add_pd(two[0], two[1])); }

/// Third reading. Returns the largest error. Without kClamp, all of the reference's exponents are those of normal FP16 numbers.
template <bool kClamp>
HALFSCOPE_AVX2 double add_sums(ErrorStats& s, const float* reference, const float* candidate, std::size_t count) {
  Sums a;
  a.max_error = a.max_ulp = _mm256_setzero_pd();
  for (std::size_t k = 0; k < 2; k++) a.absolute[k] = a.squared_error[k] = a.squared_reference[k] = a.ulp[k] = _mm256_setzero_pd();
  for (std::size_t i = 0; i < count; i += kLanes) {
    add_four<kClamp>(a, reference + i, candidate + i, 0);
    add_four<kClamp>(a, reference + i + 4, candidate + i + 4, 1);
  }
  s.sum_abs += sum(a.absolute);
  s.sum_squared_error += sum(a.squared_error);
  s.sum_squared_reference += sum(a.squared_reference);
  s.sum_ulp += sum(a.ulp);
  s.max_ulp = std::max(s.max_ulp, largest(a.max_ulp));
  return largest(a.max_error);
}

/// The same where both sides are the same numbers.
HALFSCOPE_AVX2 void add_squares(ErrorStats& s, const float* values, std::size_t count) {
  __m256d low = _mm256_setzero_pd(), high = low;
  for (std::size_t i = 0; i < count; i += kLanes) {
    const __m256d a = _mm256_cvtps_pd(_mm_loadu_ps(values + i)), b = _mm256_cvtps_pd(_mm_loadu_ps(values + i + 4));
    low = _mm256_fmadd_pd(a, a, low);
    high = _mm256_fmadd_pd(b, b, high);
  }
  s.sum_squared_reference += sum(_mm256_add_pd(low, high));
}

/// Bit for bit. Blocks that differ nearly always do so in the first few pairs.
HALFSCOPE_AVX2 bool same_bits(const float* reference, const float* candidate, std::size_t count) {
  for (std::size_t i = 0; i < count; i += kLanes) {
    const __m256i differing = _mm256_xor_si256(load_bits(reference + i), load_bits(candidate + i));
    if (!_mm256_testz_si256(differing, differing)) return false;
  }
  return true;
}

/// The first of `count` pairs, all finite, that has exactly this error; `count` if there is none.
HALFSCOPE_AVX2 std::size_t find_error(const float* reference, const float* candidate, std::size_t count, double error) {
  std::size_t i = 0;
  const __m256d wanted = _mm256_set1_pd(error);
  for (; i + 4 <= count; i += 4) {
    const __m256d difference = _mm256_sub_pd(_mm256_cvtps_pd(_mm_loadu_ps(reference + i)), _mm256_cvtps_pd(_mm_loadu_ps(candidate + i)));
    const int found = _mm256_movemask_pd(_mm256_cmp_pd(_mm256_andnot_pd(_mm256_set1_pd(-0.0), difference), wanted, _CMP_EQ_OQ));
    if (found != 0) return i + static_cast<std::size_t>(__builtin_ctz(static_cast<unsigned>(found)));
  }
  for (; i < count; i++)
    if (std::abs(static_cast<double>(reference[i]) - static_cast<double>(candidate[i])) == error) return i;
  return count;
}

void take_maximum(ErrorStats& s, double error, std::size_t index, float reference, float candidate) {
  s.max_abs = error;
  s.max_index = static_cast<double>(index);
  s.max_reference = reference;
  s.max_candidate = candidate;
}

bool is_new_maximum(const ErrorStats& s, double error) { return s.max_index < 0 || error > s.max_abs; }

/// What all blocks of a chunk share.
struct Chunk {
  ErrorStats stats;
  std::uint32_t bins[kExponentBins] = {};
  alignas(32) unsigned char block_bins[kBlock];
};

/// Everything that the first two readings find in `count` finite pairs, a multiple of 32.
HALFSCOPE_AVX2 void add_magnitudes(Chunk& chunk, const Scan& found, std::size_t count) {
  ErrorStats& s = chunk.stats;
  s.min_reference = std::min(s.min_reference, found.reference.low());
  s.max_reference_value = std::max(s.max_reference_value, found.reference.high());
  s.min_candidate = std::min(s.min_candidate, found.candidate.low());
  s.max_candidate_value = std::max(s.max_candidate_value, found.candidate.high());
  count_bins(chunk.bins, chunk.block_bins, count, found.lowest_bin, found.highest_bin);
}

bool has_small(const Scan& found) {
  return found.lowest_bin < static_cast<std::uint32_t>(kExponentBias - 14) || found.candidate.nearest_to_zero < 0x38800000u;
}

/// Whether a reference value lies outside of FP16's normal exponents.
bool has_extremes(const Scan& found) {
  return found.lowest_bin < static_cast<std::uint32_t>(kExponentBias - 14) || found.highest_bin > static_cast<std::uint32_t>(kExponentBias + 15);
}

/// A block of any length and content: pairs that are not finite go one by one, the others into copies that are filled up. Fillers repeat a pair that is
/// there where the range is looked for, and are zero where sums are.
HALFSCOPE_AVX2 void add_mixed_block(Chunk& chunk, const float* reference, const float* candidate, std::size_t count, std::size_t index) {
  ErrorStats& s = chunk.stats;
  ErrorStats slow;
  float r[kBlock], c[kBlock];
  std::size_t places[kBlock];
  std::size_t finite = 0;
  for (std::size_t i = 0; i < count; i++) {
    const float a = load_float(reference, i), b = load_float(candidate, i);
    if (std::isfinite(a) && std::isfinite(b)) {
      r[finite] = a;
      c[finite] = b;
      places[finite++] = i;
    } else {
      fold_pair(slow, a, b, index + i);
    }
  }
  double error = -1;
  std::size_t place = 0;
  if (finite > 0) {
    const std::size_t filled = (finite + kStep - 1) / kStep * kStep;
    std::fill(r + finite, r + filled, r[0]);
    std::fill(c + finite, c + filled, c[0]);
    const Scan found = scan(r, c, filled, chunk.block_bins);
    add_magnitudes(chunk, found, filled);
    chunk.bins[exponent_bin(exponent_of<float>(magnitude_of(r[0])))] -= static_cast<std::uint32_t>(filled - finite);
    std::fill(r + finite, r + filled, 0.0f);
    std::fill(c + finite, c + filled, 0.0f);
    if (has_small(found)) count_small(s, r, c, filled);
    error = add_sums<true>(s, r, c, filled);
    if (is_new_maximum(s, error)) place = find_error(r, c, finite, error);
  }
  // Both kinds of pairs lie mixed in the block; the lower index wins a tie.
  if (finite > 0 && is_new_maximum(s, error)) {
    const bool slow_first = slow.max_index >= 0 && (slow.max_abs > error || (slow.max_abs == error && slow.max_index < static_cast<double>(index + places[place])));
    if (!slow_first) take_maximum(s, error, index + places[place], r[place], c[place]);
  }
  if (slow.max_index >= 0 && is_new_maximum(s, slow.max_abs)) {
    s.max_abs = slow.max_abs;
    s.max_index = slow.max_index;
    s.max_reference = slow.max_reference;
    s.max_candidate = slow.max_candidate;
  }
  slow.max_index = -1;
  merge(s, slow);
}

HALFSCOPE_AVX2 void add_block(Chunk& chunk, const float* reference, const float* candidate, std::size_t count, std::size_t index) {
  if (count % kStep != 0) return add_mixed_block(chunk, reference, candidate, count, index);
  const Scan found = scan(reference, candidate, count, chunk.block_bins);
  if (!found.reference.finite() || !found.candidate.finite()) return add_mixed_block(chunk, reference, candidate, count, index);
  add_magnitudes(chunk, found, count);
  ErrorStats& s = chunk.stats;
  if (has_small(found)) count_small(s, reference, candidate, count);
  if (same_bits(reference, candidate, count)) {
    add_squares(s, reference, count);
    if (s.max_index < 0) take_maximum(s, 0, index, load_float(reference, 0), load_float(candidate, 0));
    return;
  }
  const double error = has_extremes(found) ? add_sums<true>(s, reference, candidate, count) : add_sums<false>(s, reference, candidate, count);
  if (!is_new_maximum(s, error)) return;
  const std::size_t place = find_error(reference, candidate, count, error);
  take_maximum(s, error, index + place, load_float(reference, place), load_float(candidate, place));
}

}  // namespace

ErrorStats compare_chunk(const void* reference, const void* candidate, std::size_t count, const RoundedCandidate* rounded) {
  const auto prepare = [&](std::size_t from, std::size_t length) {
    if (rounded != nullptr) round_values(rounded->source + from, rounded->destination + from, length, rounded->rounding, InstructionSet::kAvx2);
  };
  const auto* r = static_cast<const float*>(reference);
  const auto* c = static_cast<const float*>(candidate);
  if (count < kLanes) {
    ErrorStats s;
    prepare(0, count);
    for (std::size_t i = 0; i < count; i++) fold_pair(s, load_float(r, i), load_float(c, i), i);
    return s;
  }
  Chunk chunk;
  const std::size_t even = count / kStep * kStep;
  for (std::size_t i = 0; i < even; i += kBlock) {
    const std::size_t length = std::min(kBlock, even - i);
    prepare(i, length);
    add_block(chunk, r + i, c + i, length, i);
  }
  if (even < count) prepare(even, count - even);
  if (even < count) add_mixed_block(chunk, r + even, c + even, count - even, even);
  for (std::size_t bin = 0; bin < kExponentBins; bin++) chunk.stats.exponents[bin] += chunk.bins[bin];
  return chunk.stats;
}

}  // namespace halfscope::avx2

#endif
