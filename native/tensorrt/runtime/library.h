#pragma once

#include <string>
#include <vector>

#include "tensorrt/face.h"

namespace halfscope::trt {

/// A major version of TensorRT that halfscope was compiled for.
struct ModuleInfo {
  int major = 0;
  std::string headers;  ///< version of the headers: "10.16.1"
  std::string path;
};

/// The modules that lie beside the addon, newest first; those that cannot be opened are left out, and `failures` says why.
std::vector<ModuleInfo> find_modules(std::vector<std::string>& failures);

struct OpenLibrary {
  Library* library = nullptr;
  ModuleInfo module;
};

/// TensorRT, loaded once per process by the newest module that finds its library: in `folder` (or that of a file in it), or by the system's loader if that is empty.
/// Later calls return the same; another folder then is an error. Throws Error (kBackendUnavailable) with one sentence, which tells of the versions that are there and of no
/// others. Safe from several threads. Never touches the GPU.
const OpenLibrary& open_library(const std::string& folder);

/// The same, after it was opened; throws Error (kBackendUnavailable) before.
const OpenLibrary& opened_library();

}  // namespace halfscope::trt
