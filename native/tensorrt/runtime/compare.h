#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "metrics/error_stats.h"
#include "tensorrt/runtime/running.h"

namespace halfscope::trt {

struct Comparison {
  std::vector<std::string> names;  ///< compared
  std::vector<ErrorStats> stats;   ///< one per name
  std::vector<NotObserved> not_compared;
  double seconds = 0;
};

/// One request on both engines, side by side on their streams; then tensor by tensor both are copied out through two pairs of pinned buffers, the next pair while the
/// present one is folded. Host memory: four times the largest tensor, however many there are. `done` counts tensors. Throws Error (kCancelled, kFeed, kEngineRun).
Comparison compare_engines(RunningEngine& reference, int reference_profile, RunningEngine& candidate, int candidate_profile, const Feed& reference_feed,
                           const Feed& candidate_feed, const std::vector<std::string>& names, std::atomic<std::size_t>& done, const std::atomic<bool>& cancelled);

}  // namespace halfscope::trt
