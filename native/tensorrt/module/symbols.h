#pragma once

#include <string>

#include "core/error.h"

namespace halfscope::trt {

/// The functions that TensorRT's libraries export, found by dlsym: nothing is linked.
struct Symbols {
  void* (*create_builder)(void* logger, int version) = nullptr;
  void* (*create_runtime)(void* logger, int version) = nullptr;
  void* (*create_parser)(void* network, void* logger, int version) = nullptr;
  /// As the library numbers itself; what the create functions are told, so that headers of another minor version of the same major pass.
  int reported_version = 0;
  std::string version;
  /// Of libnvinfer.
  std::string path;
};

/// `folder` empty: by the system's loader. Throws Error (kBackendUnavailable) with one sentence.
Symbols load_symbols(const std::string& folder);

}  // namespace halfscope::trt
