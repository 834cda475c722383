#include "tensorrt/module/network.h"

#include <algorithm>
#include <set>

#include "tensorrt/module/types.h"

namespace halfscope::trt {
namespace {

using nvinfer1::ILayer;
using nvinfer1::INetworkDefinition;
using nvinfer1::ITensor;

std::uint32_t creation_flags(const BuildRequest& request) {
#if HALFSCOPE_TRT_MAJOR >= 11
  (void)request;  // every network is strongly typed
  return 0;
#elif HALFSCOPE_TRT_TEN
  return request.precision == Precision::kTyped ? 1U << static_cast<unsigned>(nvinfer1::NetworkDefinitionCreationFlag::kSTRONGLY_TYPED) : 0;
#else
  (void)request;
  return 1U << static_cast<unsigned>(nvinfer1::NetworkDefinitionCreationFlag::kEXPLICIT_BATCH);
#endif
}

std::string parser_errors(const nvonnxparser::IParser& parser) {
  std::string text;
  for (int i = 0; i < parser.getNbErrors() && i < 3; i++) {
    const nvonnxparser::IParserError* error = parser.getError(i);
    if (error == nullptr || error->desc() == nullptr) continue;
    text += (text.empty() ? "" : " | ") + std::string(error->desc());
#if HALFSCOPE_TRT_TEN
    if (error->nodeName() != nullptr && error->nodeName()[0] != '\0') {
      text += " (node " + std::string(error->nodeName());
      if (error->nodeOperator() != nullptr) text += ", " + std::string(error->nodeOperator());
      text += ")";
    }
#endif
  }
  return text;
}

NetworkTensor describe_tensor(const ITensor& tensor) {
  NetworkTensor described{tensor.getName(), onnx_type(tensor.getType()), to_dims(tensor.getDimensions()), tensor.isShapeTensor(), {}};
  for (std::size_t i = 0; i < described.dims.size(); i++) {
    const char* symbol = tensor.getDimensionName(static_cast<int>(i));
    described.symbols.emplace_back(symbol == nullptr ? "" : symbol);
  }
  return described;
}

/// Why a tensor of this layer cannot be given out; empty where it can.
std::string obstacle(const ILayer& layer, const ITensor& tensor, const std::string& name) {
  if (name.rfind("ONNXTRT_", 0) == 0) return "a constant that TensorRT's parser added";
  if (layer.getType() == nvinfer1::LayerType::kCONSTANT) return "a constant";
  if (tensor.isNetworkInput()) return "an input of the model";
  if (!is_float(tensor.getType())) return "not of a float type";
  if (tensor.isShapeTensor() && !tensor.isExecutionTensor()) return "holds sizes";
  return "";
}

}  // namespace

std::string node_of(const ILayer& layer) {
  constexpr const char kOpening[] = "[ONNX Layer: ";
  const char* metadata = layer.getMetadata();
  if (metadata == nullptr) return "";
  const std::string text(metadata);
  if (text.rfind(kOpening, 0) != 0) return "";
  const std::size_t from = sizeof(kOpening) - 1;
  return text.substr(from, std::min(text.find(" | ", from), text.rfind(']')) - from);
}

void fail(ErrorCode code, const std::string& what, const Messages& messages) {
  const std::string said = messages.last_errors();
  if (said.find("libnvinfer_builder_resource") != std::string::npos) {
    throw Error(ErrorCode::kBackendUnavailable,
                what + ": TensorRT found no builder resource for this GPU (" + said + "). Its folder must be in LD_LIBRARY_PATH when the program starts.");
  }
  throw Error(code, what + (said.empty() ? "; TensorRT's log has no error." : ": " + said));
}

ParsedNetwork::ParsedNetwork(const Symbols& symbols, const BuildRequest& request, Messages& messages) {
  register_plugins(symbols);
  builder_.reset(static_cast<nvinfer1::IBuilder*>(symbols.create_builder(&logger(), symbols.reported_version)));
  if (!builder_) fail(ErrorCode::kEngineBuild, "TensorRT made no builder", messages);
  network_.reset(builder_->createNetworkV2(creation_flags(request)));
  if (!network_) fail(ErrorCode::kEngineBuild, "TensorRT made no network", messages);
  parser_.reset(static_cast<nvonnxparser::IParser*>(symbols.create_parser(network_.get(), &logger(), NV_ONNX_PARSER_VERSION)));
  if (!parser_) fail(ErrorCode::kEngineBuild, "TensorRT made no ONNX parser", messages);
  const bool parsed = request.model.size() > 0 ? parser_->parse(request.model.data(), request.model.size(), request.path.c_str())
                                               : parser_->parseFromFile(request.path.c_str(), static_cast<int>(nvinfer1::ILogger::Severity::kINFO));
  if (parsed) return;
  const std::string errors = parser_errors(*parser_);
  if (errors.empty()) fail(ErrorCode::kEngineBuild, "TensorRT cannot parse " + request.path, messages);
  throw Error(ErrorCode::kEngineBuild, "TensorRT cannot parse " + request.path + ": " + errors);
}

NetworkDescription describe(INetworkDefinition& network) {
  NetworkDescription description;
  for (int i = 0; i < network.getNbInputs(); i++) description.inputs.push_back(describe_tensor(*network.getInput(i)));
  for (int i = 0; i < network.getNbOutputs(); i++) description.outputs.push_back(describe_tensor(*network.getOutput(i)));
  for (int i = 0; i < network.getNbLayers(); i++) {
    const ILayer* layer = network.getLayer(i);
    NetworkLayer described{layer->getName(), node_of(*layer), static_cast<int>(layer->getType()), {}};
    for (int o = 0; o < layer->getNbOutputs(); o++) {
      if (const ITensor* output = layer->getOutput(o)) described.outputs.push_back(describe_tensor(*output));
    }
    description.layers.push_back(std::move(described));
  }
  return description;
}

void mark(INetworkDefinition& network, const BuildRequest& request, const Symbols& symbols, BuildOutcome& outcome) {
  for (int i = 0; i < network.getNbOutputs(); i++) outcome.outputs.emplace_back(network.getOutput(i)->getName());
  if (request.how == Observe::kUnfused) {
#if HALFSCOPE_TRT_UNFUSED
    if (version_number(symbols.reported_version) >= 101200) {
      if (!network.markUnfusedTensorsAsDebugTensors()) throw Error(ErrorCode::kEngineBuild, "TensorRT refused to show unfused tensors.");
      return;
    }
#endif
    throw Error(ErrorCode::kEngineBuild, "TensorRT shows unfused tensors since 10.12; this is " + symbols.version + ".");
  }
  if (request.how == Observe::kDebug && !has_debug_tensors(version_number(symbols.reported_version))) {
    const char* const reason = HALFSCOPE_TRT_TEN ? "TensorRT 10.8 cannot be asked for debug tensors with the headers of another version; this is "
                                                 : "TensorRT has debug tensors since 10.0; this is ";
    throw Error(ErrorCode::kEngineBuild, reason + symbols.version + ".");
  }
  std::set<std::string> wanted(request.observe.begin(), request.observe.end());
  const auto refuse = [&](const std::string& name, std::string reason) { outcome.not_observed.push_back({name, std::move(reason)}); };
  for (int i = 0; i < network.getNbLayers() && !wanted.empty(); i++) {
    const ILayer* layer = network.getLayer(i);
    for (int o = 0; o < layer->getNbOutputs(); o++) {
      ITensor* tensor = layer->getOutput(o);
      if (tensor == nullptr) continue;
      const std::string name = tensor->getName();
      if (wanted.erase(name) == 0) continue;
      if (tensor->isNetworkOutput()) continue;  // given out anyway
      std::string reason = obstacle(*layer, *tensor, name);
      if (!reason.empty()) {
        refuse(name, std::move(reason));
        continue;
      }
#if HALFSCOPE_TRT_TEN
      if (request.how == Observe::kDebug) {
        if (network.markDebug(*tensor)) outcome.observed.push_back(name);
        else refuse(name, "TensorRT refuses it as a debug tensor (inside a loop or a condition)");
        continue;
      }
#endif
      network.markOutput(*tensor);
      outcome.observed.push_back(name);
    }
  }
  for (int i = 0; i < network.getNbInputs(); i++) {
    if (wanted.erase(network.getInput(i)->getName()) > 0) refuse(network.getInput(i)->getName(), "an input of the model");
  }
  for (const auto& name : request.observe) {
    if (wanted.erase(name) > 0) refuse(name, "no tensor of TensorRT's network: its parser folded it away, or it lies in a subgraph");
  }
}

}  // namespace halfscope::trt
