#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "tensorrt/runtime/compare.h"

namespace halfscope::trt {

/// One side of a comparison.
struct Side {
  RunningEngine& engine;
  Lane& lane;
  const Feed& feed;
};

/// Compares tensors of which at least one side only shows them on their way (debug tensors). In groups: the reference runs and what it shows is kept, then the
/// candidate runs and is folded as it comes. Host memory: `group_bytes` or the largest tensor, and one staging buffer. Appends to `comparison`. The mutexes of both
/// engines are held.
void compare_streamed(const Side& reference, const Side& candidate, const std::vector<std::string>& names, std::size_t group_bytes, Comparison& comparison,
                      std::atomic<std::size_t>& done, const std::atomic<bool>& cancelled);

/// Why values of these types and shapes cannot be paired; empty where they can.
std::string pairing_obstacle(int reference_type, const Dims& reference, int candidate_type, const Dims& candidate);

/// By ONNX's type.
ErrorStats compare_values(int reference_type, const void* reference, int candidate_type, const void* candidate, std::size_t count);

}  // namespace halfscope::trt
