#pragma once

#include <string>

#include "core/error.h"

namespace halfscope::trt {

/// The functions that TensorRT's libraries export, found by dlsym: nothing is linked.
struct Symbols {
  void* (*create_builder)(void* logger, int version) = nullptr;
  void* (*create_runtime)(void* logger, int version) = nullptr;
  void* (*create_parser)(void* network, void* logger, int version) = nullptr;
  /// nullptr where there is no library of plugins.
  bool (*register_plugins)(void* logger, const char* space) = nullptr;
  /// As the library numbers itself; what the create functions are told, so that headers of another minor version of the same major pass.
  int reported_version = 0;
  std::string version;
  /// Of libnvinfer.
  std::string path;
  /// Of libnvinfer_plugin; empty, and then `plugins_missing` says why.
  std::string plugins, plugins_missing;
};

/// `folder` empty: by the system's loader. Throws Error (kBackendUnavailable) with one sentence.
Symbols load_symbols(const std::string& folder);

/// Makes TensorRT's own plugins known, once per process: "should be called once before accessing the Plugin Registry" (NvInferPlugin.h of 8.6, 10 and 11). The parser of 8
/// does so itself for what it turns into plugins; of 10 and 11, and a plan that holds plugins, whoever uses them has to. Before the first parser and the first plan.
void register_plugins(const Symbols& symbols);

}  // namespace halfscope::trt
