#pragma once

#include <cstddef>

#include "core/cpu.h"
#include "products/kernels.h"
#include "products/shapes.h"

namespace halfscope::products {

/// What happens to values as they are packed.
struct PackRounding {
  bool on = false;            ///< to FP16, nearest even
  bool keep_finite = false;   ///< finite values stay finite
};

/// Which part of a factor is packed: `lanes` lanes from `lane` on at k = from ... to - 1, into panels of `width` lanes. Lanes that the last panel lacks are
/// zeros there.
struct PackRange {
  std::size_t lane, lanes;
  std::size_t from, to;
  std::size_t width;
  std::size_t panel_step;  ///< floats from one panel to the next, at least (to - from) * width
};

/// One factor of a product, seen as lanes x K: the rows of the left factor, the columns of the right one.
class Operand {
 public:
  explicit Operand(PackRounding rounding) : rounding_(rounding) {}
  Operand(const Operand&) = delete;
  Operand& operator=(const Operand&) = delete;
  virtual ~Operand() = default;

  /// Whether one pass over all of K is cheaper to pack than several over parts of it.
  virtual bool packs_best_whole() const { return false; }

  /// panels[p * panel_step + (k - from) * width + i] = the value of lane lane + p * width + i at k. Up to 8 floats behind the last panel may be written.
  void pack(const PackRange& range, float* panels, const Packers& packers, InstructionSet set) const;

 protected:
  /// One panel: lanes lane ... lane + width - 1, of which the first `used` exist.
  struct PanelRange {
    std::size_t lane, used, width;
    std::size_t from, to;
  };

 private:
  virtual void fill(const PanelRange& at, float* panel, const Packers& packers) const = 0;
  /// Fills as many whole panels as it can fill faster together than one by one; how many.
  virtual std::size_t fill_together(const PackRange&, float*, const Packers&) const { return 0; }
  PackRounding rounding_;
};

/// A matrix anywhere in memory, at any alignment. Steps are in elements; one of them is 1.
class MatrixOperand final : public Operand {
 public:
  MatrixOperand(const void* data, std::size_t lane_step, std::size_t k_step, PackRounding rounding = {})
      : Operand(rounding), data_(static_cast<const unsigned char*>(data)), lane_step_(lane_step), k_step_(k_step) {}

 private:
  void fill(const PanelRange& at, float* panel, const Packers& packers) const override;
  std::size_t fill_together(const PackRange& range, float* panels, const Packers& packers) const override;
  const unsigned char* data_;
  std::size_t lane_step_, k_step_;
};

/// The filters of one group of a Conv: lanes are filters, stored filter, channel, position; K runs over positions first and channels innermost.
class FilterOperand final : public Operand {
 public:
  FilterOperand(const void* data, std::size_t channels, std::size_t positions, PackRounding rounding)
      : Operand(rounding), data_(static_cast<const unsigned char*>(data)), channels_(channels), positions_(positions) {}
  bool packs_best_whole() const override { return positions_ > 1; }

 private:
  void fill(const PanelRange& at, float* panel, const Packers& packers) const override;
  const unsigned char* data_;
  std::size_t channels_, positions_;
};

/// One image and group of a Conv: lanes are output pixels, K as for FilterOperand. Nothing is unfolded in memory: pixels are gathered as they are
/// packed, padding as zeros.
class ImageOperand final : public Operand {
 public:
  ImageOperand(const void* data, const ConvShape& shape) : Operand({}), data_(static_cast<const unsigned char*>(data)), shape_(shape) {}

 private:
  void fill(const PanelRange& at, float* panel, const Packers& packers) const override;
  const unsigned char* data_;
  const ConvShape& shape_;
};

}  // namespace halfscope::products
