#pragma once

#include <vector>

#include "products/operand.h"
#include "products/sums.h"

namespace halfscope::products {

/// out = alpha * sums + beta * bias, in FP32, each operation rounded.
struct Epilogue {
  float alpha = 1, beta = 1;
  const void* bias = nullptr;  ///< any alignment; null for none
  std::size_t bias_row_step = 0, bias_column_step = 0;
};

/// One matrix product: out (rows x columns, row by row) = left x right.
struct Product {
  const Operand* left;
  const Operand* right;
  std::size_t rows, columns, depth;
  float* out;
  Epilogue epilogue;
};

/// Computes all of them.
void multiply(const std::vector<Product>& products, const SumOptions& sums, const Machine& machine);

}  // namespace halfscope::products
