#pragma once

#include <cstddef>
#include <functional>

#include "core/cpu.h"

namespace halfscope::products {

/// How the products of one output element are added up.
enum class Sums {
  kHalf,       ///< in FP32 inside a chunk, the accumulator rounded to FP16 after every chunk: fast, close to tensor cores with FP16 accumulation
  kHalfExact,  ///< as one chip's instruction does with an FP16 accumulator, bit for bit
  kTensorCore, ///< the same with an FP32 accumulator
  kPlain       ///< in FP32: every chunk from zero, the chunks' sums one after the other. What CPU libraries do that cut K into blocks
};

struct SumOptions {
  Sums sums = Sums::kHalf;
  std::size_t chunk = 16;  ///< of kHalf: products along K between two roundings of the accumulator; of kPlain: in one block
  std::size_t pieces = 1;  ///< accumulators that K is split over (split-K); their sums are added one after the other in the accumulator's type, as cuBLAS and TensorRT do
  std::size_t chip = 2;    ///< of kHalfExact and kTensorCore: index into chip_models()
  bool round_right = false;        ///< the right factor (of Conv: the filters) is rounded to FP16 as it is read
  bool keep_right_finite = false;  ///< and finite values beyond FP16's range become its largest finite value instead of Infinity
};

/// Calls body(0) ... body(total - 1), each once, on as many threads as it likes, and returns when all are done; throws what a body threw.
using ParallelFor = std::function<void(std::size_t total, const std::function<void(std::size_t)>& body)>;

/// Where a product runs. Results do not depend on it, apart from the payload of a NaN.
struct Machine {
  InstructionSet set;
  std::size_t threads;  ///< that parallel_for has, about: work is cut into a few parts for each
  ParallelFor parallel_for;
};

}  // namespace halfscope::products
