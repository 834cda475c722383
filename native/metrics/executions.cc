#include "metrics/executions.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace halfscope {
namespace {

/// sqrt(sum (r-c)^2 / sum r^2). Infinite if a pair cannot pass; just below when only the reference is 0, or the sums have left FP64's range.
double badness(const ErrorStats& s) {
  using Limits = std::numeric_limits<double>;
  if (s.non_finite_mismatch > 0) return Limits::infinity();
  if (s.sum_squared_error == 0) return 0;
  const double relative = std::sqrt(s.sum_squared_error / s.sum_squared_reference);
  return relative <= Limits::max() ? relative : Limits::max();
}

}  // namespace

void add(Executions& into, const ErrorStats& execution, bool same_shape) {
  const double error = badness(execution);
  if (error > into.worst_error) {
    into.worst = into.count;
    into.worst_error = error;
  }
  const bool broken = execution.overflowed > 0 || execution.nan_candidate > execution.nan_reference;
  if (broken && into.first_broken < 0) into.first_broken = into.count;
  into.shape_mismatches += same_shape ? 0 : 1;
  into.count += 1;
}

ErrorStats shape_mismatch(std::size_t reference_count, std::size_t candidate_count) {
  ErrorStats s;
  s.count = s.non_finite_mismatch = static_cast<double>(std::max({reference_count, candidate_count, std::size_t{1}}));
  return s;
}

}  // namespace halfscope
