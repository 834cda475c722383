#include "core/bfloat.h"

#include <cstring>

#include "core/bfloat_kernels.h"

namespace halfscope {
namespace {

constexpr std::uint32_t kInfinity = 0x7f800000u;
constexpr std::uint32_t kLargest = 0x7f7f0000u;  // (2 - 2^-7) * 2^127
// Halfway between two neighbours rounds to the even one: to infinity, to zero, and to the smallest normal number.
constexpr LossLimits kLimits{0x7f7f8000u, 0x00008000u, 0x007f8000u};

std::uint32_t load(const void* base, std::size_t index) {
  std::uint32_t bits;
  std::memcpy(&bits, static_cast<const unsigned char*>(base) + index * sizeof(bits), sizeof(bits));
  return bits;
}

}  // namespace

std::uint16_t bfloat_from_float_bits(std::uint32_t bits, Overflow overflow) {
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > kInfinity) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  if (overflow == Overflow::kToLargestFinite && magnitude > kLargest && magnitude < kInfinity) bits = (bits & 0x80000000u) | kLargest;
  // Adding just under half, plus the last kept bit, rounds to even and carries into the exponent.
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

void round_to_bfloat(const void* source, float* destination, std::size_t count, Overflow overflow, InstructionSet set) {
  if (set != InstructionSet::kScalar) return avx2::round_to_bfloat(source, destination, count, overflow);
  for (std::size_t i = 0; i < count; i++) {
    const std::uint32_t bits = static_cast<std::uint32_t>(bfloat_from_float_bits(load(source, i), overflow)) << 16;
    std::memcpy(destination + i, &bits, sizeof(bits));
  }
}

void float_to_bfloat(const void* source, void* destination, std::size_t count, Overflow overflow, InstructionSet set) {
  if (set != InstructionSet::kScalar) return avx2::float_to_bfloat(source, destination, count, overflow);
  for (std::size_t i = 0; i < count; i++) {
    const std::uint16_t narrow = bfloat_from_float_bits(load(source, i), overflow);
    std::memcpy(static_cast<unsigned char*>(destination) + 2 * i, &narrow, sizeof(narrow));
  }
}

void bfloat_to_float(const void* source, float* destination, std::size_t count) {
  for (std::size_t i = 0; i < count; i++) {
    std::uint16_t upper;
    std::memcpy(&upper, static_cast<const unsigned char*>(source) + 2 * i, sizeof(upper));
    const std::uint32_t bits = static_cast<std::uint32_t>(upper) << 16;
    std::memcpy(destination + i, &bits, sizeof(bits));
  }
}

LossCounts count_bfloat_losses(const void* source, std::size_t count) { return count_losses(source, count, kLimits); }

#if !defined(__x86_64__)
namespace avx2 {  // never called: has_avx2() is false
void round_to_bfloat(const void* s, float* d, std::size_t n, Overflow o) { halfscope::round_to_bfloat(s, d, n, o, InstructionSet::kScalar); }
void float_to_bfloat(const void* s, void* d, std::size_t n, Overflow o) { halfscope::float_to_bfloat(s, d, n, o, InstructionSet::kScalar); }
}  // namespace avx2
#endif

}  // namespace halfscope
