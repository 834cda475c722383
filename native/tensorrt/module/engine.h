#pragma once

#include <memory>

#include "tensorrt/face.h"
#include "tensorrt/module/symbols.h"

namespace halfscope::trt {

/// Throws Error (kEngineRun) with the log's last errors.
std::unique_ptr<Engine> load_engine(const Symbols& symbols, const void* plan, std::size_t bytes);

}  // namespace halfscope::trt
