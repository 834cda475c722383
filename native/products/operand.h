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

/// Which part of a factor a panel holds: lanes lane ... lane + width - 1 at k = from ... to - 1. Only the first `used` lanes exist; the rest are zeros.
struct PanelRange {
  std::size_t lane, used, width;
  std::size_t from, to;
};

/// One factor of a product, seen as lanes x K: the rows of the left factor, the columns of the right one.
class Operand {
 public:
  explicit Operand(PackRounding rounding) : rounding_(rounding) {}
  Operand(const Operand&) = delete;
  Operand& operator=(const Operand&) = delete;
  virtual ~Operand() = default;

  /// panel[(k - from) * width + i], k outermost. Up to 8 floats behind the panel may be written.
  void pack(const PanelRange& at, float* panel, const Packers& packers, InstructionSet set) const;

 private:
  virtual void fill(const PanelRange& at, float* panel, const Packers& packers) const = 0;
  PackRounding rounding_;
};

/// A matrix anywhere in memory, at any alignment. Steps are in elements; one of them is 1.
class MatrixOperand final : public Operand {
 public:
  MatrixOperand(const void* data, std::size_t lane_step, std::size_t k_step, PackRounding rounding = {})
      : Operand(rounding), data_(static_cast<const unsigned char*>(data)), lane_step_(lane_step), k_step_(k_step) {}

 private:
  void fill(const PanelRange& at, float* panel, const Packers& packers) const override;
  const unsigned char* data_;
  std::size_t lane_step_, k_step_;
};

/// The filters of one group of a Conv: lanes are filters, stored filter, channel, position; K runs over positions first and channels innermost.
class FilterOperand final : public Operand {
 public:
  FilterOperand(const void* data, std::size_t channels, std::size_t positions, PackRounding rounding)
      : Operand(rounding), data_(static_cast<const unsigned char*>(data)), channels_(channels), positions_(positions) {}

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
