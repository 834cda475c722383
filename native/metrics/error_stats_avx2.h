#pragma once

#include <cstddef>

#include "metrics/error_stats.h"

namespace halfscope::avx2 {

/// With `rounded`, each block of `candidate` is written as it is rounded, just before it is read.
ErrorStats compare_chunk(const void* reference, const void* candidate, std::size_t count, const RoundedCandidate* rounded = nullptr);

}  // namespace halfscope::avx2
