#pragma once

#include <cstddef>

namespace halfscope {

/// How integers or booleans of the candidate differ from the reference's: no rounding error, but a decision that fell otherwise. All FP64, read as a
/// flat block in the order of `decisionFields` in packages/engine/src/addon-session.ts.
struct Decision {
  double count = 0;        ///< elements compared
  double differing = 0;    ///< of these, how many differ
  double first_index = -1; ///< flat index of the first pair that differs, over all executions; -1 for none
  double reference = 0;    ///< the values there
  double candidate = 0;
  double shape_mismatches = 0;  ///< executions in which the two had different shapes: no pairs, the larger side's elements all count as differing
  double executions = 0;        ///< more than one in a loop
};
constexpr std::size_t kDecisionWidth = 7;
static_assert(sizeof(Decision) == kDecisionWidth * sizeof(double), "read as a flat block of doubles");

/// Appends `later`, whose elements lie behind those of `into`.
inline void merge(Decision& into, const Decision& later) {
  if (into.first_index < 0 && later.first_index >= 0) {
    into.first_index = later.first_index + into.count;
    into.reference = later.reference;
    into.candidate = later.candidate;
  }
  into.count += later.count;
  into.differing += later.differing;
  into.shape_mismatches += later.shape_mismatches;
  into.executions += later.executions;
}

}  // namespace halfscope
