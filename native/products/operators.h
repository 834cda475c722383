#pragma once

#include "products/shapes.h"
#include "products/sums.h"

namespace halfscope::products {

/// A tensor of floats, at any alignment.
struct Factor {
  const void* data;
  const Dims& dims;
};

// ONNX's products with sums of their own. `out` has room for the shape's `out`. Throw Error (kEngineRun).

void matmul(const MatMulShape& shape, const Factor& a, const Factor& b, float* out, const SumOptions& sums, const Machine& machine);

/// alpha * (A x B) + beta * C: the sums are scaled, and C added, in FP32. `c` is null without C.
void gemm(const GemmShape& shape, const GemmAttributes& attributes, const Factor& a, const Factor& b, const Factor* c, float* out, const SumOptions& sums,
          const Machine& machine);

/// As an implicit product of the filters and the gathered image. K runs over filter positions first and channels innermost, as GPU kernels for images
/// with channels innermost (NHWC) do; the bias is added in FP32. `bias` is null without one.
void conv(const ConvShape& shape, const Factor& image, const Factor& filter, const Factor* bias, float* out, const SumOptions& sums, const Machine& machine);

}  // namespace halfscope::products
