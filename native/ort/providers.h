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

/// Loads a library that others of this process will ask for: the loader's search path cannot be changed any more, but a library that is there already, under the name that
/// others ask for, is taken. Its functions stay its own (RTLD_LOCAL), for those of TensorRT have the same names in all versions: a provider would call those of whichever
/// came first. A bare name is looked for by the system's loader. Returns why it did not load, empty where it did.
std::string preload(const std::string& path);

}  // namespace halfscope::ort
