#pragma once

#include "core/buffer.h"
#include "products/kernels.h"
#include "products/operand.h"

namespace halfscope::products {

/// How the panels of one call are made.
struct PanelMaker {
  Packers packers;
  InstructionSet set;
  bool exact;  ///< values become FP16, and their exponents are noted beside them
};

/// Packed panels in memory that somebody else owns.
struct Panels {
  float* values;
  std::int16_t* exponents;  ///< null without `exact`

  Panel at(std::size_t offset) const { return {values + offset, exponents == nullptr ? nullptr : exponents + offset}; }
  Panels from(std::size_t offset) const { return {values + offset, exponents == nullptr ? nullptr : exponents + offset}; }
};

void pack(const PanelMaker& maker, const Operand& operand, const PackRange& range, const Panels& panels);

/// Memory of the calling thread for `floats` floats; it grows and stays, so that a product costs no page faults. `which` (0 to 4) tells apart what is used at
/// once.
float* scratch(std::size_t which, std::size_t floats);

/// Panels in the calling thread's scratch, slots `which` and `which` + 1.
Panels scratch_panels(const PanelMaker& maker, std::size_t which, std::size_t floats);

/// All of a factor, packed once for every block that reads it.
class PackedOperand {
 public:
  PackedOperand(const PanelMaker& maker, std::size_t lanes, std::size_t width, std::size_t depth);
  std::size_t panel_count() const { return (lanes_ + width_ - 1) / width_; }
  /// Packs panels first ... first + count - 1; threads may pack different ones at once.
  void fill(const PanelMaker& maker, const Operand& operand, std::size_t first, std::size_t count);
  Panel at(std::size_t lane, std::size_t k) const { return panels_.at(lane / width_ * step_ + k * width_); }

 private:
  std::size_t lanes_, width_, depth_;
  std::size_t step_;  ///< from panel to panel
  Buffer values_, exponents_;
  Panels panels_;
};

}  // namespace halfscope::products
