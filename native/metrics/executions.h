#pragma once

#include <cstddef>

#include "metrics/error_stats.h"

namespace halfscope {

/// The executions of one comparison within a session's run: more than one in a loop. All FP64, read as a flat block in the order of `executionFields`
/// in packages/engine/src/addon-session.ts.
struct Executions {
  double count = 0;
  double worst = -1;         ///< 0-based: the first that holds a pair that cannot pass, else the first of those with the largest relative L2
  double first_broken = -1;  ///< the first in which the candidate overflowed or held a NaN that the reference has not
  double shape_mismatches = 0;
  double worst_error = -1;   ///< relative L2 of the worst; Infinity for one that cannot pass
};
constexpr std::size_t kExecutionsWidth = 5;
static_assert(sizeof(Executions) == kExecutionsWidth * sizeof(double), "read as a flat block of doubles");

/// Appends one execution.
void add(Executions& into, const ErrorStats& execution, bool same_shape);

/// Statistics of an execution whose sides have different shapes: nothing can be paired and nothing may pass, so each element of the larger side (at
/// least one) is a mismatch.
ErrorStats shape_mismatch(std::size_t reference_count, std::size_t candidate_count);

}  // namespace halfscope
