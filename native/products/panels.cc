#include "products/panels.h"

#include <algorithm>

#include "core/half.h"

namespace halfscope::products {
namespace {

constexpr std::size_t kSlack = 16;  // what packing may write behind the last panel

}  // namespace

void pack(const PanelMaker& maker, const Operand& operand, const PackRange& range, const Panels& panels) {
  operand.pack(range, panels.values, maker.packers, maker.set);
  if (!maker.exact) return;
  const std::size_t count = (range.to - range.from) * range.width;
  for (std::size_t at = 0, lane = 0; lane < range.lanes; lane += range.width, at += range.panel_step) {
    round_to_half(panels.values + at, panels.values + at, count, Overflow::kToInfinity, maker.set);
    mark_exponents(panels.values + at, count, panels.exponents + at);
  }
}

float* scratch(std::size_t which, std::size_t floats) {
  thread_local Buffer buffers[5];
  if (buffers[which].size() < floats * sizeof(float)) buffers[which] = Buffer(floats * sizeof(float));
  return reinterpret_cast<float*>(buffers[which].data());
}

Panels scratch_panels(const PanelMaker& maker, std::size_t which, std::size_t floats) {
  float* values = scratch(which, floats + kSlack);
  return {values, maker.exact ? reinterpret_cast<std::int16_t*>(scratch(which + 1, (floats + 1) / 2)) : nullptr};
}

PackedOperand::PackedOperand(const PanelMaker& maker, std::size_t lanes, std::size_t width, std::size_t depth)
    : lanes_(lanes),
      width_(width),
      depth_(depth),
      // Every panel has room for what packing writes behind it: the next one may be another thread's, and done already.
      step_((width * depth + kSlack + 15) / 16 * 16),
      values_(panel_count() * step_ * sizeof(float)),
      exponents_(maker.exact ? panel_count() * step_ * sizeof(std::int16_t) : 0),
      panels_{reinterpret_cast<float*>(values_.data()), reinterpret_cast<std::int16_t*>(exponents_.data())} {}

void PackedOperand::fill(const PanelMaker& maker, const Operand& operand, std::size_t first, std::size_t count) {
  const std::size_t lane = first * width_;
  pack(maker, operand, {lane, std::min(lanes_ - lane, count * width_), 0, depth_, width_, step_}, panels_.from(first * step_));
}

}  // namespace halfscope::products
