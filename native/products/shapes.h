#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace halfscope::products {

using Dims = std::vector<std::int64_t>;

/// MatMul by ONNX's rules, as a batch of plain products: out[b] (rows x columns) = left[left_at[b]] x right[right_at[b]].
struct MatMulShape {
  Dims out;
  std::size_t rows = 0, columns = 0, depth = 0;
  std::vector<std::size_t> left_at, right_at;  ///< per product of the batch: offset of its factor, in elements
};

/// Batch dimensions broadcast; 1-D factors get a dimension that the result loses again. Where the right factor is one matrix for the whole
/// batch, the batch counts as more rows. Throws Error (kEngineRun) when shapes do not fit.
MatMulShape matmul_shape(const Dims& left, const Dims& right);

struct GemmAttributes {
  bool trans_a = false, trans_b = false;
  float alpha = 1, beta = 1;
};

struct GemmShape {
  Dims out;
  std::size_t rows = 0, columns = 0, depth = 0;
  std::size_t bias_row_step = 0, bias_column_step = 0;  ///< of C, broadcast to out
};

/// `bias` is null without C. Throws Error (kEngineRun).
GemmShape gemm_shape(const GemmAttributes& attributes, const Dims& a, const Dims& b, const Dims* bias);

/// Attributes of ONNX's Conv; empty lists are the operator's defaults.
struct ConvAttributes {
  Dims kernel_shape, pads, strides, dilations;
  std::string auto_pad = "NOTSET";
  std::int64_t group = 1;
};

/// Conv with one to three spatial dimensions, the missing ones in front counted as 1.
struct ConvShape {
  Dims out;
  std::size_t images = 0, groups = 0, channels = 0, filters = 0;  ///< channels and filters per group
  std::array<std::int64_t, 3> in{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1}, dilation{1, 1, 1}, pad{0, 0, 0}, space{1, 1, 1};
  std::size_t in_pixels() const { return static_cast<std::size_t>(in[0] * in[1] * in[2]); }
  std::size_t pixels() const { return static_cast<std::size_t>(space[0] * space[1] * space[2]); }
  std::size_t positions() const { return static_cast<std::size_t>(kernel[0] * kernel[1] * kernel[2]); }
};

/// Throws Error (kEngineRun).
ConvShape conv_shape(const ConvAttributes& attributes, const Dims& image, const Dims& filter);

}  // namespace halfscope::products
