#include "core/half.h"

#include <cstring>

#include "core/half_kernels.h"

namespace halfscope {
namespace {

constexpr std::uint32_t kInfinity = 0x7f800000u;
constexpr std::uint32_t kOverflowFrom = 0x477ff000u;    // 65520: halfway between 65504 and the 65536 that does not exist
constexpr std::uint32_t kLargestHalf = 0x477fe000u;     // 65504
constexpr std::uint32_t kFlushedUpTo = 0x33000000u;     // 2^-25: halfway to the smallest subnormal, ties to even, so to zero
constexpr std::uint32_t kNormalFrom = 0x387fe000u;      // halfway between the largest subnormal half and 2^-14
constexpr std::uint32_t kSmallestNormal = 0x38800000u;  // 2^-14

template <class T>
T load(const void* base, std::size_t index) {
  T value;
  std::memcpy(&value, static_cast<const unsigned char*>(base) + index * sizeof(T), sizeof(T));
  return value;
}

template <class T>
void store(void* base, std::size_t index, T value) {
  std::memcpy(static_cast<unsigned char*>(base) + index * sizeof(T), &value, sizeof(T));
}

std::uint32_t keep_finite(std::uint32_t bits, Overflow overflow) {
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  const bool clamp = overflow == Overflow::kToLargestFinite && magnitude > kLargestHalf && magnitude < kInfinity;
  return clamp ? (bits & 0x80000000u) | kLargestHalf : bits;
}

}  // namespace

std::uint16_t half_from_float_bits(std::uint32_t bits) {
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > kInfinity) return static_cast<std::uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  if (magnitude >= kOverflowFrom) return static_cast<std::uint16_t>(sign | 0x7c00u);
  if (magnitude <= kFlushedUpTo) return static_cast<std::uint16_t>(sign);
  std::uint32_t value = 0;
  if (magnitude >= kSmallestNormal) {
    // Rebias the exponent from 127 to 15; adding just under half, plus the last kept bit, rounds to even and carries into the exponent.
    value = magnitude - (112u << 23);
    value = (value + 0xfffu + ((value >> 13) & 1u)) >> 13;
  } else {
    const std::uint32_t shift = 126u - (magnitude >> 23);  // 14 to 24: how far the 24-bit significand lies above the unit 2^-24
    const std::uint32_t significand = (magnitude & 0x7fffffu) | 0x800000u;
    const std::uint32_t half = 1u << (shift - 1);
    value = (significand + half - 1u + ((significand >> shift) & 1u)) >> shift;
  }
  return static_cast<std::uint16_t>(sign | value);
}

std::uint32_t float_bits_from_half(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16;
  std::uint32_t exponent = (half >> 10) & 0x1fu;
  std::uint32_t mantissa = half & 0x3ffu;
  if (exponent == 31u) return sign | kInfinity | (mantissa << 13) | (mantissa != 0 ? 0x400000u : 0u);
  if (exponent == 0u) {
    if (mantissa == 0u) return sign;
    exponent = 1u;
    while ((mantissa & 0x400u) == 0u) {
      mantissa <<= 1;
      exponent--;  // wraps below 1; the sum below is right modulo 2^32
    }
    mantissa &= 0x3ffu;
  }
  return sign | ((exponent + 112u) << 23) | (mantissa << 13);
}

void round_to_half(const void* source, float* destination, std::size_t count, Overflow overflow, InstructionSet set) {
  if (set != InstructionSet::kScalar) return avx2::round_to_half(source, destination, count, overflow);
  for (std::size_t i = 0; i < count; i++) {
    const auto half = half_from_float_bits(keep_finite(load<std::uint32_t>(source, i), overflow));
    store(destination, i, float_bits_from_half(half));
  }
}

void float_to_half(const void* source, void* destination, std::size_t count, Overflow overflow, InstructionSet set) {
  if (set != InstructionSet::kScalar) return avx2::float_to_half(source, destination, count, overflow);
  for (std::size_t i = 0; i < count; i++)
    store(destination, i, half_from_float_bits(keep_finite(load<std::uint32_t>(source, i), overflow)));
}

void half_to_float(const void* source, void* destination, std::size_t count, InstructionSet set) {
  if (set != InstructionSet::kScalar) return avx2::half_to_float(source, destination, count);
  for (std::size_t i = 0; i < count; i++) store(destination, i, float_bits_from_half(load<std::uint16_t>(source, i)));
}

LossCounts count_half_losses(const void* source, std::size_t count) { return count_losses(source, count, {kOverflowFrom, kFlushedUpTo, kNormalFrom}); }

#if !defined(__x86_64__)
namespace avx2 {  // never called: has_avx2() is false
void round_to_half(const void* s, float* d, std::size_t n, Overflow o) { halfscope::round_to_half(s, d, n, o, InstructionSet::kScalar); }
void float_to_half(const void* s, void* d, std::size_t n, Overflow o) { halfscope::float_to_half(s, d, n, o, InstructionSet::kScalar); }
void half_to_float(const void* s, void* d, std::size_t n) { halfscope::half_to_float(s, d, n, InstructionSet::kScalar); }
}  // namespace avx2
#endif

}  // namespace halfscope
