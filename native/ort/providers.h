#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ort/library.h"

namespace halfscope::ort {

/// An execution provider beside the CPU's, and its options as ONNX Runtime names them.
struct Provider {
  std::string name;  ///< "CUDA" or "TensorRT": SessionOptionsAppendExecutionProvider, which takes names, knows neither
  std::vector<std::pair<std::string, std::string>> options;
};

/// Adds a provider behind those that are there: nodes go to the first that takes them. Throws Error (kBackendUnavailable) where it cannot be loaded, with
/// the loader's own words about which library is missing.
void append_provider(SessionOptions* options, const Provider& provider);

/// Loads libraries for everyone in this process (RTLD_GLOBAL): the loader's search path cannot be changed any more, but a library that is there already, under
/// the name that others ask for, is taken. Returns why one did not load, empty where it did.
std::string preload(const std::string& path);

}  // namespace halfscope::ort
