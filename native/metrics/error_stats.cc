#include "metrics/error_stats.h"

#include "metrics/error_stats_avx2.h"
#include "metrics/pair.h"

namespace halfscope {
ErrorStats compare_chunk(const void* reference, const void* candidate, std::size_t count, InstructionSet set) {
  ErrorStats s;
  if (set != InstructionSet::kScalar) {
    s = avx2::compare_chunk(reference, candidate, count);
  } else {
    for (std::size_t i = 0; i < count; i++) fold_pair(s, load_float(reference, i), load_float(candidate, i), i);
  }
  s.count = static_cast<double>(count);
  drop_negative_zeros(s);
  return s;
}

ErrorStats round_and_compare_chunk(const void* reference, const RoundedCandidate& candidate, std::size_t count, InstructionSet set) {
  if (set == InstructionSet::kScalar) {
    round_values(candidate.source, candidate.destination, count, candidate.rounding, set);
    return compare_chunk(reference, candidate.destination, count, set);
  }
  ErrorStats s = avx2::compare_chunk(reference, candidate.destination, count, &candidate);
  s.count = static_cast<double>(count);
  drop_negative_zeros(s);
  return s;
}

void merge(ErrorStats& into, const ErrorStats& later) {
  if (later.max_index >= 0 && (into.max_index < 0 || later.max_abs > into.max_abs)) {
    into.max_abs = later.max_abs;
    into.max_index = later.max_index + into.count;
    into.max_reference = later.max_reference;
    into.max_candidate = later.max_candidate;
  }
  into.count += later.count;
  into.sum_abs += later.sum_abs;
  into.sum_squared_error += later.sum_squared_error;
  into.sum_squared_reference += later.sum_squared_reference;
  into.max_ulp = std::max(into.max_ulp, later.max_ulp);
  into.sum_ulp += later.sum_ulp;
  into.min_reference = std::min(into.min_reference, later.min_reference);
  into.max_reference_value = std::max(into.max_reference_value, later.max_reference_value);
  into.min_candidate = std::min(into.min_candidate, later.min_candidate);
  into.max_candidate_value = std::max(into.max_candidate_value, later.max_candidate_value);
  into.nan_reference += later.nan_reference;
  into.nan_candidate += later.nan_candidate;
  into.inf_reference += later.inf_reference;
  into.inf_candidate += later.inf_candidate;
  into.overflowed += later.overflowed;
  into.flushed += later.flushed;
  into.subnormal_reference += later.subnormal_reference;
  into.subnormal_candidate += later.subnormal_candidate;
  into.non_finite_mismatch += later.non_finite_mismatch;
  for (std::size_t bin = 0; bin < kExponentBins; bin++) into.exponents[bin] += later.exponents[bin];
}

#if !defined(__x86_64__)
namespace avx2 {  // never called: has_avx2() is false
ErrorStats compare_chunk(const void* r, const void* c, std::size_t n, const RoundedCandidate*) { return halfscope::compare_chunk(r, c, n, InstructionSet::kScalar); }
}  // namespace avx2
#endif

}  // namespace halfscope
