#include "metrics/executions.h"

#include <cmath>
#include <limits>
#include <vector>

#include "metrics/decision.h"
#include "test/harness.h"

using namespace halfscope;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

ErrorStats stats_of(const std::vector<float>& reference, const std::vector<float>& candidate) {
  return compare_chunk(reference.data(), candidate.data(), reference.size());
}

/// An execution with this relative L2.
ErrorStats with_error(float relative) { return stats_of({2, 0}, {2 + 2 * relative, 0}); }

Executions of(const std::vector<ErrorStats>& executions) {
  Executions all;
  for (const auto& e : executions) add(all, e, true);
  return all;
}

}  // namespace

TEST(nothing_executed_has_no_worst) {
  const Executions none;
  CHECK(none.count == 0 && none.worst == -1 && none.first_broken == -1 && none.shape_mismatches == 0);
}

TEST(the_worst_execution_is_the_first_with_the_largest_relative_l2) {
  const Executions e = of({with_error(0), with_error(0.25f), with_error(0.5f), with_error(0.5f), with_error(0.125f)});
  CHECK(e.count == 5 && e.worst == 2 && e.worst_error == 0.5 && e.first_broken == -1);
  CHECK(of({with_error(0), with_error(0)}).worst == 0);
}

TEST(an_error_where_the_reference_is_zero_is_worse_than_any_ratio) {
  CHECK(of({with_error(100), stats_of({0}, {1e-6f}), stats_of({0}, {1})}).worst == 1);
}

TEST(a_pair_that_cannot_pass_is_worse_than_any_error) {
  const Executions e = of({stats_of({0}, {1}), stats_of({1, 7}, {kInf, 7}), stats_of({1}, {std::nanf("")})});
  CHECK(e.worst == 1 && e.worst_error == kInf && e.first_broken == 1);
}

TEST(a_nan_that_the_reference_has_too_cannot_pass_but_was_not_broken_by_the_candidate) {
  const Executions e = of({stats_of({1}, {1}), stats_of({std::nanf("")}, {std::nanf("")}), stats_of({1}, {std::nanf("")})});
  CHECK(e.worst == 1 && e.first_broken == 2);
}

TEST(sums_beyond_fp64_do_not_hide_an_execution) {
  ErrorStats huge;
  huge.sum_squared_error = huge.sum_squared_reference = std::numeric_limits<double>::infinity();
  CHECK(of({with_error(0.5f), huge}).worst == 1);
}

TEST(a_shape_mismatch_never_passes) {
  Executions e;
  add(e, with_error(0.5f), true);
  add(e, shape_mismatch(3, 5), false);
  CHECK(e.count == 2 && e.shape_mismatches == 1 && e.worst == 1 && e.first_broken == -1);
  ErrorStats all = with_error(0.5f);
  merge(all, shape_mismatch(3, 5));
  CHECK(all.count == 7 && all.non_finite_mismatch == 5 && all.max_index == 0);
  CHECK(shape_mismatch(0, 0).non_finite_mismatch == 1);
}

TEST(decisions_are_appended_with_the_first_difference_of_all) {
  Decision all;
  merge(all, Decision{4, 0, -1, 0, 0, 0, 1});
  merge(all, Decision{4, 2, 1, 7, 8, 0, 1});
  merge(all, Decision{6, 6, -1, 0, 0, 1, 1});
  merge(all, Decision{4, 1, 0, 1, 2, 0, 1});
  CHECK(all.count == 18 && all.differing == 9 && all.first_index == 5 && all.reference == 7 && all.candidate == 8);
  CHECK(all.shape_mismatches == 1 && all.executions == 4);
}

TEST_MAIN
