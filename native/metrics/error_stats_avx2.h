#pragma once

#include <cstddef>

#include "metrics/error_stats.h"

namespace halfscope::avx2 {

ErrorStats compare_chunk(const void* reference, const void* candidate, std::size_t count);

}  // namespace halfscope::avx2
