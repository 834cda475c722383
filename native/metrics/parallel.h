#pragma once

#include <cstddef>
#include <functional>

#include "core/rounding.h"
#include "metrics/error_stats.h"

namespace halfscope {

/// Calls body(0) ... body(total - 1), each once, spread over up to `threads` threads that are joined before it returns.
/// For work outside of an ONNX Runtime run (that has a pool of its own). The first exception is thrown on.
void parallel_for(std::size_t total, std::size_t threads, const std::function<void(std::size_t)>& body);

/// Helpers for whole tensors on `threads` threads; results do not depend on how many.
ErrorStats compare_tensors(const void* reference, const void* candidate, std::size_t count, std::size_t threads);
ErrorStats compare_tensors(TypedFloats reference, TypedFloats candidate, std::size_t count, std::size_t threads);
void round_tensor(const void* source, float* destination, std::size_t count, Rounding rounding, std::size_t threads);

/// Cores that this process may use, at most 8: the helpers above are bound by memory.
std::size_t default_threads();

}  // namespace halfscope
