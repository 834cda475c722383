#include "products/operators.h"

#include <deque>
#include <memory>

#include "core/error.h"
#include "products/multiply.h"

namespace halfscope::products {
namespace {

const void* offset(const void* data, std::size_t elements) { return static_cast<const unsigned char*>(data) + elements * sizeof(float); }

PackRounding right_rounding(const SumOptions& sums) { return {sums.round_right, sums.keep_right_finite}; }

}  // namespace

void matmul(const MatMulShape& shape, const Factor& a, const Factor& b, float* out, const SumOptions& sums, const Machine& machine) {
  std::deque<MatrixOperand> operands;
  std::vector<Product> products;
  for (std::size_t n = 0; n < shape.left_at.size(); n++) {
    const auto& left = operands.emplace_back(offset(a.data, shape.left_at[n]), shape.depth, 1, PackRounding{});
    const auto& right = operands.emplace_back(offset(b.data, shape.right_at[n]), 1, shape.columns, right_rounding(sums));
    products.push_back({&left, &right, shape.rows, shape.columns, shape.depth, out + n * shape.rows * shape.columns, {}});
  }
  multiply(products, sums, machine);
}

void gemm(const GemmShape& shape, const GemmAttributes& attributes, const Factor& a, const Factor& b, const Factor* c, float* out, const SumOptions& sums,
          const Machine& machine) {
  const MatrixOperand left(a.data, attributes.trans_a ? 1 : shape.depth, attributes.trans_a ? shape.rows : 1);
  const MatrixOperand right(b.data, attributes.trans_b ? shape.depth : 1, attributes.trans_b ? 1 : shape.columns, right_rounding(sums));
  Epilogue epilogue;
  epilogue.alpha = attributes.alpha;
  epilogue.beta = attributes.beta;
  if (c != nullptr) {
    epilogue.bias = c->data;
    epilogue.bias_row_step = shape.bias_row_step;
    epilogue.bias_column_step = shape.bias_column_step;
  }
  multiply({{&left, &right, shape.rows, shape.columns, shape.depth, out, epilogue}}, sums, machine);
}

void conv(const ConvShape& shape, const Factor& image, const Factor& filter, const Factor* bias, float* out, const SumOptions& sums, const Machine& machine) {
  if (bias != nullptr && (bias->dims.size() != 1 || bias->dims[0] != filter.dims[0]))
    throw Error(ErrorCode::kEngineRun, "halfscope.Product: Conv needs a bias with one value per filter");
  std::deque<FilterOperand> filters;
  std::deque<ImageOperand> images;
  std::vector<Product> products;
  const std::size_t depth = shape.channels * shape.positions();
  for (std::size_t g = 0; g < shape.groups; g++)
    filters.emplace_back(offset(filter.data, g * shape.filters * depth), shape.channels, shape.positions(), right_rounding(sums));
  for (std::size_t n = 0; n < shape.images; n++) {
    for (std::size_t g = 0; g < shape.groups; g++) {
      const std::size_t at = n * shape.groups + g;
      const auto& gathered = images.emplace_back(offset(image.data, at * shape.channels * shape.in_pixels()), shape);
      Epilogue epilogue;
      if (bias != nullptr) {
        epilogue.bias = offset(bias->data, g * shape.filters);
        epilogue.bias_row_step = 1;
      }
      products.push_back({&filters[g], &gathered, shape.filters, shape.pixels(), depth, out + at * shape.filters * shape.pixels(), epilogue});
    }
  }
  multiply(products, sums, machine);
}

}  // namespace halfscope::products
