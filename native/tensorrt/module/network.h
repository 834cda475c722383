#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tensorrt/face.h"
#include "tensorrt/module/headers.h"
#include "tensorrt/module/log.h"
#include "tensorrt/module/symbols.h"

namespace halfscope::trt {

/// Throws Error (`code`) with `what` and the last errors of the log.
[[noreturn]] void fail(ErrorCode code, const std::string& what, const Messages& messages);

/// An ONNX file as TensorRT's network. The parser owns weights that the network points at, so all live until the build is done.
class ParsedNetwork {
 public:
  /// Throws Error (kEngineBuild, kBackendUnavailable).
  ParsedNetwork(const Symbols& symbols, const BuildRequest& request, Messages& messages);

  nvinfer1::IBuilder& builder() { return *builder_; }
  nvinfer1::INetworkDefinition& network() { return *network_; }

 private:
  std::unique_ptr<nvinfer1::IBuilder> builder_;
  std::unique_ptr<nvinfer1::INetworkDefinition> network_;
  std::unique_ptr<nvonnxparser::IParser> parser_;
};

/// The ONNX node that a layer computes (a part of): the parser writes "[ONNX Layer: NAME | ...]" into its metadata. Empty for layers of its own.
std::string node_of(const nvinfer1::ILayer& layer);

NetworkDescription describe(nvinfer1::INetworkDefinition& network);

/// Gives out the tensors that were asked for, as far as that is possible; fills `observed` and `not_observed`.
void mark(nvinfer1::INetworkDefinition& network, const BuildRequest& request, const Symbols& symbols, BuildOutcome& outcome);

}  // namespace halfscope::trt
