#pragma once

#include "tensorrt/face.h"
#include "tensorrt/module/log.h"
#include "tensorrt/module/symbols.h"

namespace halfscope::trt {

/// Throws Error: kEngineBuild with the log's last errors, kCancelled, kBackendUnavailable.
void build_engine(const Symbols& symbols, const BuildRequest& request, BuildWatch& watch, Messages& messages, BuildOutcome& outcome);

/// What both timing caches hold; of one that cannot be read, the other; of caches of different GPUs, the newer. Throws Error (kEngineBuild).
Buffer merge_timing_caches(const Symbols& symbols, const Buffer& older, const Buffer& newer, const Messages& messages);

}  // namespace halfscope::trt
