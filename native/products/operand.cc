#include "products/operand.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/half.h"
#include "products/kernels.h"

namespace halfscope::products {
namespace {

float load(const unsigned char* data, std::size_t index) {
  float value;
  std::memcpy(&value, data + index * sizeof(float), sizeof(float));
  return value;
}

}  // namespace

void Operand::pack(std::size_t lane, std::size_t used, std::size_t width, std::size_t from, std::size_t to, float* panel, InstructionSet set) const {
  fill(lane, used, width, from, to, panel, set);
  if (!rounding_.on) return;
  const auto overflow = rounding_.keep_finite ? Overflow::kToLargestFinite : Overflow::kToInfinity;
  round_to_half(panel, panel, (to - from) * width, overflow, set == InstructionSet::kScalar ? set : InstructionSet::kAvx2);
}

void MatrixOperand::fill(std::size_t lane, std::size_t used, std::size_t width, std::size_t from, std::size_t to, float* panel, InstructionSet) const {
  if (lane_step_ == 1) {
    for (std::size_t k = from; k < to; k++, panel += width) {
      std::memcpy(panel, data_ + (lane + k * k_step_) * sizeof(float), used * sizeof(float));
      std::fill(panel + used, panel + width, 0.0f);
    }
    return;
  }
  for (std::size_t k = from; k < to; k++, panel += width) {
    for (std::size_t i = 0; i < used; i++) panel[i] = load(data_, (lane + i) * lane_step_ + k * k_step_);
    std::fill(panel + used, panel + width, 0.0f);
  }
}

void FilterOperand::fill(std::size_t lane, std::size_t used, std::size_t width, std::size_t from, std::size_t to, float* panel, InstructionSet) const {
  std::size_t position = from / channels_, channel = from % channels_;
  for (std::size_t k = from; k < to; k++, panel += width) {
    for (std::size_t i = 0; i < used; i++) panel[i] = load(data_, ((lane + i) * channels_ + channel) * positions_ + position);
    std::fill(panel + used, panel + width, 0.0f);
    if (++channel == channels_) {
      channel = 0;
      position++;
    }
  }
}

void ImageOperand::fill(std::size_t lane, std::size_t used, std::size_t width, std::size_t from, std::size_t to, float* panel, InstructionSet) const {
  const ConvShape& s = shape_;
  std::array<std::ptrdiff_t, kWidestTile> offsets{};
  std::size_t k = from;
  while (k < to) {
    const auto position = static_cast<std::int64_t>(k / s.channels);
    const std::int64_t at[3] = {position / (s.kernel[1] * s.kernel[2]) * s.dilation[0] - s.pad[0],
                                position / s.kernel[2] % s.kernel[1] * s.dilation[1] - s.pad[1], position % s.kernel[2] * s.dilation[2] - s.pad[2]};
    bool gapless = used == width;
    for (std::size_t i = 0; i < used; i++) {
      const auto pixel = static_cast<std::int64_t>(lane + i);
      const std::int64_t z = pixel / (s.space[1] * s.space[2]) * s.stride[0] + at[0];
      const std::int64_t y = pixel / s.space[2] % s.space[1] * s.stride[1] + at[1];
      const std::int64_t x = pixel % s.space[2] * s.stride[2] + at[2];
      const bool inside = z >= 0 && z < s.in[0] && y >= 0 && y < s.in[1] && x >= 0 && x < s.in[2];
      offsets[i] = inside ? static_cast<std::ptrdiff_t>((z * s.in[1] + y) * s.in[2] + x) : -1;
      gapless = gapless && inside && offsets[i] == offsets[0] + static_cast<std::ptrdiff_t>(i);
    }
    const std::size_t end = std::min(to, (k / s.channels + 1) * s.channels);
    for (; k < end; k++, panel += width) {
      const unsigned char* channel = data_ + k % s.channels * s.in_pixels() * sizeof(float);
      if (gapless) {
        std::memcpy(panel, channel + static_cast<std::size_t>(offsets[0]) * sizeof(float), width * sizeof(float));
        continue;
      }
      for (std::size_t i = 0; i < used; i++) panel[i] = offsets[i] < 0 ? 0.0f : load(channel, static_cast<std::size_t>(offsets[i]));
      std::fill(panel + used, panel + width, 0.0f);
    }
  }
}

}  // namespace halfscope::products
