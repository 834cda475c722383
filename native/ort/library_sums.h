#pragma once

#include <cstddef>

#include "ort/api.h"
#include "products/sums.h"

namespace halfscope::ort {

/// Sums of ONNX Runtime's CPU MatMul (MLAS, SgemmKernel): products along K in blocks of 128, each from zero, the blocks' sums added one after the other.
/// Of few columns, blocks are longer.
products::SumOptions library_sums(std::size_t columns, std::size_t depth);

/// Whether a product of this size by library_sums has the bits of ONNX Runtime's own. Asked of the library itself, once per process, size and number of
/// threads, with made-up values: libraries and processors differ. `matmul` is MatMul of two inputs. Throws Error (kEngineRun).
bool sums_as_library(const KernelContext* context, const Op* matmul, std::size_t rows, std::size_t columns, std::size_t depth, const products::Machine& machine);

}  // namespace halfscope::ort
