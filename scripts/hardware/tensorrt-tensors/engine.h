// One TensorRT engine, built from an ONNX file, run once and timed.
#pragma once

#include <NvInfer.h>

#include <map>
#include <string>
#include <vector>

#include "prepared.h"

namespace halfscope {

struct EngineOptions {
  /// Weakly typed FP16 (builder flag kFP16) instead of FP32; TF32 is off in both.
  bool half = false;
  /// Mark every tensor of `Prepared::tensors` as an output, not only the graph's own.
  bool marked = false;
  /// Ask for FP16 in each layer that gives a marked tensor, and mark it as FP16: otherwise TensorRT, choosing by time, may leave most of a marked network in FP32.
  bool prefer_half = false;
};

struct EngineRun {
  double build_seconds = 0;
  /// Median of a hundred runs after ten more, outputs included.
  double milliseconds = 0;
  /// The engine inspector's words, JSON: kernels and formats of each engine layer.
  std::string layers;
  /// Names of the graph's own outputs.
  std::vector<std::string> outputs;
  /// Float outputs, as FP32.
  std::map<std::string, std::vector<float>> values;
};

/// Builds and runs. Throws std::runtime_error with TensorRT's last error.
EngineRun run_engine(const std::string& model, const Prepared& prepared, const EngineOptions& options);

}  // namespace halfscope
