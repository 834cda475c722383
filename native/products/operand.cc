#include "products/operand.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/half.h"

namespace halfscope::products {
namespace {

float load(const unsigned char* data, std::size_t index) {
  float value;
  std::memcpy(&value, data + index * sizeof(float), sizeof(float));
  return value;
}

/// Neighbouring lanes whose pixels are neighbours in memory too, or all lie in the padding.
struct Run {
  std::size_t lanes;
  std::ptrdiff_t from;  ///< of the first pixel in its channel; negative for padding
};

}  // namespace

void Operand::pack(const PackRange& range, float* panels, const Packers& packers, InstructionSet set) const {
  const std::size_t whole = fill_together(range, panels, packers);
  for (std::size_t lane = 0, p = 0; lane < range.lanes; lane += range.width, p++) {
    float* panel = panels + p * range.panel_step;
    if (p >= whole) fill({range.lane + lane, std::min(range.width, range.lanes - lane), range.width, range.from, range.to}, panel, packers);
    if (!rounding_.on) continue;
    const auto overflow = rounding_.keep_finite ? Overflow::kToLargestFinite : Overflow::kToInfinity;
    round_to_half(panel, panel, (range.to - range.from) * range.width, overflow, set);
  }
}

std::size_t MatrixOperand::fill_together(const PackRange& range, float* panels, const Packers& packers) const {
  if (lane_step_ != 1) return 0;
  // Along K, so that memory is read in long runs: a panel's own columns would be a few bytes of every page.
  const std::size_t whole = range.lanes / range.width;
  const unsigned char* from = data_ + (range.lane + range.from * k_step_) * sizeof(float);
  packers.copy(from, k_step_, range.to - range.from, range.width, panels, whole, range.panel_step);
  return whole;
}

void MatrixOperand::fill(const PanelRange& at, float* panel, const Packers& packers) const {
  const unsigned char* first = data_ + (at.lane * lane_step_ + at.from * k_step_) * sizeof(float);
  const std::size_t depth = at.to - at.from;
  if (at.used == at.width && k_step_ == 1) return packers.transpose(first, lane_step_, depth, at.width, panel);
  for (std::size_t k = 0; k < depth; k++, panel += at.width) {
    for (std::size_t i = 0; i < at.used; i++) panel[i] = load(first, i * lane_step_ + k * k_step_);
    std::fill(panel + at.used, panel + at.width, 0.0f);
  }
}

void FilterOperand::fill(const PanelRange& at, float* panel, const Packers&) const {
  // Lane by lane and along its memory, which has the positions innermost, unless that would read most of it in vain.
  const bool whole = at.from == 0 && at.to == channels_ * positions_;
  for (std::size_t i = 0; i < at.width; i++) {
    if (i >= at.used) {
      for (std::size_t k = 0; k < at.to - at.from; k++) panel[k * at.width + i] = 0.0f;
      continue;
    }
    const unsigned char* filter = data_ + (at.lane + i) * channels_ * positions_ * sizeof(float);
    if (whole) {
      for (std::size_t c = 0, index = 0; c < channels_; c++)
        for (std::size_t p = 0; p < positions_; p++, index++) panel[(p * channels_ + c) * at.width + i] = load(filter, index);
      continue;
    }
    std::size_t position = at.from / channels_, channel = at.from % channels_;
    for (std::size_t k = 0; k < at.to - at.from; k++) {
      panel[k * at.width + i] = load(filter, channel * positions_ + position);
      if (++channel < channels_) continue;
      channel = 0;
      position++;
    }
  }
}

void ImageOperand::fill(const PanelRange& at, float* panel, const Packers&) const {
  const ConvShape& s = shape_;
  const std::size_t pixels = s.in_pixels();
  std::array<Run, kWidestTile> runs;
  for (std::size_t k = at.from; k < at.to;) {
    const auto position = static_cast<std::int64_t>(k / s.channels);
    const std::int64_t shift[3] = {position / (s.kernel[1] * s.kernel[2]) * s.dilation[0] - s.pad[0],
                                   position / s.kernel[2] % s.kernel[1] * s.dilation[1] - s.pad[1], position % s.kernel[2] * s.dilation[2] - s.pad[2]};
    std::size_t count = 0;
    auto pixel = static_cast<std::int64_t>(at.lane);
    std::int64_t out[3] = {pixel / (s.space[1] * s.space[2]), pixel / s.space[2] % s.space[1], pixel % s.space[2]};
    for (std::size_t i = 0; i < at.width; i++) {
      const std::int64_t z = out[0] * s.stride[0] + shift[0], y = out[1] * s.stride[1] + shift[1], x = out[2] * s.stride[2] + shift[2];
      const bool inside = i < at.used && z >= 0 && z < s.in[0] && y >= 0 && y < s.in[1] && x >= 0 && x < s.in[2];
      const std::ptrdiff_t from = inside ? static_cast<std::ptrdiff_t>((z * s.in[1] + y) * s.in[2] + x) : -1;
      Run* last = count == 0 ? nullptr : &runs[count - 1];
      const bool goes_on = last != nullptr && (inside ? last->from >= 0 && from == last->from + static_cast<std::ptrdiff_t>(last->lanes) : last->from < 0);
      if (goes_on) last->lanes++;
      else runs[count++] = {1, from};
      if (++out[2] < s.space[2]) continue;
      out[2] = 0;
      if (++out[1] < s.space[1]) continue;
      out[1] = 0;
      out[0]++;
    }
    const std::size_t end = std::min(at.to, (k / s.channels + 1) * s.channels);
    for (; k < end; k++, panel += at.width) {
      const unsigned char* channel = data_ + k % s.channels * pixels * sizeof(float);
      float* lane = panel;
      for (std::size_t r = 0; r < count; lane += runs[r].lanes, r++) {
        if (runs[r].from < 0) std::fill_n(lane, runs[r].lanes, 0.0f);
        else std::memcpy(lane, channel + static_cast<std::size_t>(runs[r].from) * sizeof(float), runs[r].lanes * sizeof(float));
      }
    }
  }
}

}  // namespace halfscope::products
