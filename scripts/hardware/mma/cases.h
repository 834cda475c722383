// Inputs of the instruction probe, the same on every machine: a hash of an index, turned into FP16 bit patterns. test/hardware/mma-inputs.ts is the
// same in TypeScript.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define PROBE_FN __host__ __device__ inline
#else
#define PROBE_FN inline
#endif

/// 32 well mixed bits of (seed, index): the finaliser of MurmurHash3 (Austin Appleby, public domain).
PROBE_FN std::uint32_t hash_of(std::uint32_t seed, std::uint32_t index) {
  std::uint32_t x = index + seed * 0x9e3779b9u;
  x ^= x >> 16;
  x *= 0x85ebca6bu;
  x ^= x >> 13;
  x *= 0xc2b2ae35u;
  x ^= x >> 16;
  return x;
}

/// Kinds of FP16 values, as bit patterns.
enum Kind : int {
  kBell = 0,     ///< n / 256, n the sum of four bytes less 510: roughly normal, exact
  kWide = 1,     ///< any sign and mantissa, exponent field 8 to 22
  kFinite = 2,   ///< any finite pattern
  kTiny = 3,     ///< exponent field 0 to 6: many subnormals
  kHuge = 4,     ///< exponent field 20 to 24: sums overflow
  kSpecial = 5,  ///< as kFinite, one in 64 an infinity, a NaN or a zero
  kLevel = 6,    ///< exponent field 15: cancellation
  kSmall = 7,    ///< n / 16384, n uniform in -1024 to 1023: weights
  kKinds = 8,
};

/// Bits of n / 2^shift, |n| < 2048, exact and normal or zero.
PROBE_FN std::uint16_t half_of_integer(int n, int shift) {
  if (n == 0) return 0;
  const std::uint32_t sign = n < 0 ? 0x8000u : 0u;
  std::uint32_t m = static_cast<std::uint32_t>(n < 0 ? -n : n);
  int exponent = 25 - shift;  // of m in [1024, 2048)
  while (m < 1024u) {
    m <<= 1;
    exponent--;
  }
  return static_cast<std::uint16_t>(sign | (static_cast<std::uint32_t>(exponent) << 10) | (m & 0x3ffu));
}

PROBE_FN std::uint16_t half_value(int kind, std::uint32_t h) {
  const std::uint32_t sign = (h >> 31) << 15;
  const std::uint32_t mantissa = h & 0x3ffu;
  const std::uint32_t pick = (h >> 10) & 0xffffu;
  switch (kind) {
    case kBell: return half_of_integer(static_cast<int>((h & 255u) + ((h >> 8) & 255u) + ((h >> 16) & 255u) + (h >> 24)) - 510, 8);
    case kWide: return static_cast<std::uint16_t>(sign | ((8u + pick % 15u) << 10) | mantissa);
    case kFinite: return static_cast<std::uint16_t>(sign | ((pick % 31u) << 10) | mantissa);
    case kTiny: return static_cast<std::uint16_t>(sign | ((pick % 7u) << 10) | mantissa);
    case kHuge: return static_cast<std::uint16_t>(sign | ((20u + pick % 5u) << 10) | mantissa);
    case kSpecial: {
      const std::uint32_t which = pick % 192u;
      if (which == 0u) return static_cast<std::uint16_t>(sign | 0x7c00u);
      if (which == 1u) return static_cast<std::uint16_t>(sign | 0x7e00u);
      if (which == 2u) return static_cast<std::uint16_t>(sign);
      return static_cast<std::uint16_t>(sign | ((pick % 31u) << 10) | mantissa);
    }
    case kLevel: return static_cast<std::uint16_t>(sign | (15u << 10) | mantissa);
    default: return half_of_integer(static_cast<int>(h >> 21) - 1024, 14);
  }
}

/// An FP32 accumulator: as the FP16 kinds spread, with all bits of the mantissa.
PROBE_FN std::uint32_t float_value(int kind, std::uint32_t h) {
  const std::uint32_t sign = h & 0x80000000u;
  const std::uint32_t mantissa = (h * 0x9e3779b1u) >> 9;
  const std::uint32_t pick = (h >> 8) & 0xffffu;
  const std::uint32_t low[kKinds] = {122, 104, 88, 70, 127, 88, 122, 100};
  const std::uint32_t span[kKinds] = {10, 50, 80, 50, 40, 80, 10, 30};
  return sign | ((low[kind] + pick % span[kind]) << 23) | mantissa;
}

// Seeds: operand 0 is A (16 x K), 1 is B (K x 8), 2 is C (16 x 8). Element (row, column) of tile t has index (t * 16 + row) * 65536 + column for A and C,
// and (t * 16 + column) * 65536 + row for B.
PROBE_FN std::uint32_t seed_of(int kind, int operand) { return 1u + static_cast<std::uint32_t>(kind) * 4u + static_cast<std::uint32_t>(operand); }
