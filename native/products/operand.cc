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
  const unsigned char* first = data_ + at.lane * channels_ * positions_ * sizeof(float);
  if (at.from == 0 && at.to == channels_ * positions_) {
    // Along the filters' memory, which has the positions innermost, all lanes together: what is written stays in the cache until its lines are full.
    for (std::size_t c = 0; c < channels_; c++) {
      for (std::size_t i = 0; i < at.used; i++) {
        float* to = panel + c * at.width + i;
        for (std::size_t p = 0; p < positions_; p++) to[p * channels_ * at.width] = load(first, (i * channels_ + c) * positions_ + p);
      }
    }
  } else {
    std::size_t position = at.from / channels_, channel = at.from % channels_;
    for (std::size_t k = 0; k < at.to - at.from; k++) {
      for (std::size_t i = 0; i < at.used; i++) panel[k * at.width + i] = load(first, (i * channels_ + channel) * positions_ + position);
      if (++channel < channels_) continue;
      channel = 0;
      position++;
    }
  }
  for (std::size_t k = 0; at.used < at.width && k < at.to - at.from; k++) std::fill(panel + k * at.width + at.used, panel + (k + 1) * at.width, 0.0f);
}

namespace {

/// Runs of one panel at one filter position.
class Runs {
 public:
  void add(std::size_t lanes, std::ptrdiff_t from, std::size_t step) {
    if (lanes == 0) return;
    if (count_ > 0) {
      LaneRun& last = runs_[count_ - 1];
      const bool goes_on = from < 0 ? last.from < 0 : last.from >= 0 && from == last.from + static_cast<std::ptrdiff_t>(last.lanes * step);
      if (goes_on) {
        last.lanes += lanes;
        return;
      }
    }
    runs_[count_++] = {lanes, from, step};
  }
  const LaneRun* data() const { return runs_.data(); }
  std::size_t size() const { return count_; }

 private:
  std::array<LaneRun, kWidestTile> runs_;
  std::size_t count_ = 0;
};

}  // namespace

void ImageOperand::fill(const PanelRange& at, float* panel, const Packers& packers) const {
  const ConvShape& s = shape_;
  const std::size_t pixels = s.in_pixels();
  for (std::size_t k = at.from; k < at.to;) {
    const auto position = static_cast<std::int64_t>(k / s.channels);
    const std::int64_t shift[3] = {position / (s.kernel[1] * s.kernel[2]) * s.dilation[0] - s.pad[0],
                                   position / s.kernel[2] % s.kernel[1] * s.dilation[1] - s.pad[1], position % s.kernel[2] * s.dilation[2] - s.pad[2]};
    Runs runs;
    for (std::size_t i = 0; i < at.used;) {  // row by row of the result
      const auto pixel = static_cast<std::int64_t>(at.lane + i);
      const std::int64_t column = pixel % s.space[2];
      const std::int64_t z = pixel / (s.space[1] * s.space[2]) * s.stride[0] + shift[0], y = pixel / s.space[2] % s.space[1] * s.stride[1] + shift[1];
      const std::int64_t x = column * s.stride[2] + shift[2], lanes = std::min<std::int64_t>(static_cast<std::int64_t>(at.used - i), s.space[2] - column);
      i += static_cast<std::size_t>(lanes);
      const bool inside = z >= 0 && z < s.in[0] && y >= 0 && y < s.in[1];
      // Lanes [first, end) have their x in the image.
      const std::int64_t first = !inside ? lanes : x >= 0 ? 0 : std::min(lanes, (-x + s.stride[2] - 1) / s.stride[2]);
      const std::int64_t end = !inside || x >= s.in[2] ? first : std::max(first, std::min(lanes, (s.in[2] - 1 - x) / s.stride[2] + 1));
      const std::int64_t from = (z * s.in[1] + y) * s.in[2] + x + first * s.stride[2];
      runs.add(static_cast<std::size_t>(first), -1, 0);
      runs.add(static_cast<std::size_t>(end - first), static_cast<std::ptrdiff_t>(from), static_cast<std::size_t>(s.stride[2]));
      runs.add(static_cast<std::size_t>(lanes - end), -1, 0);
    }
    runs.add(at.width - at.used, -1, 0);
    const std::size_t channel = k % s.channels, depth = std::min(at.to - k, s.channels - channel);
    packers.gather(data_ + channel * pixels * sizeof(float), pixels, depth, runs.data(), runs.size(), at.width, panel, (s.channels - channel) * pixels);
    k += depth;
    panel += depth * at.width;
  }
}

}  // namespace halfscope::products
