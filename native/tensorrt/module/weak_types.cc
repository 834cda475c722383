#include "tensorrt/module/weak_types.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tensorrt/module/network.h"
#include "tensorrt/module/types.h"

namespace halfscope::trt {

#if HALFSCOPE_TRT_WEAK
namespace {

using nvinfer1::DataType;
using nvinfer1::ILayer;
using nvinfer1::INetworkDefinition;
using nvinfer1::ITensor;

DataType half_type(const BuildRequest& request) {
#if HALFSCOPE_TRT_TEN
  if (request.half == 16) return DataType::kBF16;
#endif
  if (request.half != 10) throw Error(ErrorCode::kEngineBuild, "TensorRT 8 has no bfloat16; use FP16.");
  return DataType::kHALF;
}

void set_layer_type(ILayer& layer, DataType type) {
  layer.setPrecision(type);
  for (int o = 0; o < layer.getNbOutputs(); o++) {
    const ITensor* output = layer.getOutput(o);
    if (output != nullptr && is_float(output->getType())) layer.setOutputType(o, type);
  }
}

/// Layers that compute with floats; a type set on one that moves integers or sizes makes the build fail.
bool takes_type(const ILayer& layer) {
  using nvinfer1::LayerType;
  switch (layer.getType()) {
    case LayerType::kCONSTANT:
    case LayerType::kSHAPE:
    case LayerType::kCAST:
    case LayerType::kIDENTITY:
    case LayerType::kQUANTIZE:
    case LayerType::kDEQUANTIZE: return false;
    default: break;
  }
  for (int o = 0; o < layer.getNbOutputs(); o++) {
    const ITensor* output = layer.getOutput(o);
    if (output != nullptr && is_float(output->getType()) && !(output->isShapeTensor() && !output->isExecutionTensor())) return true;
  }
  return false;
}

/// Whether the parser made it for itself: it stands for no ONNX node. 8.6 leaves it unnamed, 10 does not.
bool is_helper(const ILayer& layer) {
  const std::string name(layer.getName());
  return node_of(layer).empty() && (name.rfind("ONNXTRT_", 0) == 0 || name.rfind("(Unnamed Layer* ", 0) == 0);
}

/// Which layers a tensor comes from and goes to; a tensor itself knows neither.
struct Edges {
  explicit Edges(const INetworkDefinition& network) {
    for (int l = 0; l < network.getNbLayers(); l++) {
      ILayer* layer = network.getLayer(l);
      for (int i = 0; i < layer->getNbInputs(); i++) {
        if (const ITensor* input = layer->getInput(i)) readers[input].push_back(layer);
      }
      for (int o = 0; o < layer->getNbOutputs(); o++) {
        if (const ITensor* output = layer->getOutput(o)) makers.emplace(output, layer);
      }
    }
  }
  std::map<const ITensor*, ILayer*> makers;
  std::map<const ITensor*, std::vector<ILayer*>> readers;
};

/// Keeps in FP32 what the parser put around pinned layers for itself.
///
/// In front: a bias reaches a pinned layer through a broadcast that stands for no ONNX node, which the builder is otherwise free to run in FP16, and the pinned layer then
/// reads rounded numbers. Measured on TensorRT 10.6: 1.4 % of error where the bias takes away an offset of 256, 0.3 % with this.
///
/// Behind: of a Gemm the parser names the matrix product alone; the product with alpha and the sum with the bias come after it without a name (importGemm of onnx-tensorrt, 8.6
/// and 10). This half is read off the parser's source, and not measured on a GPU. What stands in front of such a layer goes with it.
class Helpers {
 public:
  /// `type_constants` also gives constants that are read a precision of their own; an output type alone does nothing to them (8.6).
  Helpers(const INetworkDefinition& network, bool type_constants) : edges_(network), type_constants_(type_constants) {}

  void pin_around(const ILayer& pinned) {
    to_walk_.push_back({&pinned, true});
    while (!to_walk_.empty()) {
      const auto [layer, forward] = to_walk_.back();
      to_walk_.pop_back();
      for (int i = 0; i < layer->getNbInputs(); i++) {
        const auto made = edges_.makers.find(layer->getInput(i));
        if (made == edges_.makers.end()) continue;
        pin_constant(*made->second);
        pin(*made->second, false);
      }
      // Not from what stands in front: its other readers are other nodes' affair.
      for (int o = 0; forward && o < layer->getNbOutputs(); o++) {
        const auto read = edges_.readers.find(layer->getOutput(o));
        if (read == edges_.readers.end()) continue;
        for (ILayer* reader : read->second) pin(*reader, true);
      }
    }
  }

  bool pinned(const ILayer& layer) const { return in_front_.count(&layer) > 0 || behind_.count(&layer) > 0; }

 private:
  void pin_constant(ILayer& maker) const {
    if (type_constants_ && maker.getType() == nvinfer1::LayerType::kCONSTANT && maker.getOutput(0)->getType() == DataType::kFLOAT) maker.setPrecision(DataType::kFLOAT);
  }

  /// Layers that stand for a node end the walk: they have pins of their own, or none.
  void pin(ILayer& layer, bool behind) {
    if (!is_helper(layer) || !takes_type(layer) || !(behind ? behind_ : in_front_).insert(&layer).second) return;
    set_layer_type(layer, DataType::kFLOAT);
    to_walk_.push_back({&layer, behind});
  }

  struct Step {
    const ILayer* layer;
    bool forward;
  };
  Edges edges_;
  bool type_constants_;
  /// Those that were done, for this pin or an earlier one. Two sets: what stands in front of one pinned layer may stand behind another, and is then walked forward too.
  std::set<const ILayer*> in_front_, behind_;
  std::vector<Step> to_walk_;
};

/// What observed tensors are given out as, where no pin says otherwise.
void prefer_half(INetworkDefinition& network, DataType half, const std::set<std::string>& observed, const std::set<const ILayer*>& pinned, const Helpers& helpers) {
  for (int i = 0; i < network.getNbLayers(); i++) {
    ILayer& layer = *network.getLayer(i);
    if (!takes_type(layer) || pinned.count(&layer) > 0 || helpers.pinned(layer)) continue;
    for (int o = 0; o < layer.getNbOutputs(); o++) {
      ITensor* output = layer.getOutput(o);
      if (output == nullptr || !is_float(output->getType()) || observed.count(output->getName()) == 0) continue;
      layer.setPrecision(half);
      layer.setOutputType(o, half);
      if (output->isNetworkOutput()) output->setType(half);
    }
  }
}

}  // namespace

void set_types(INetworkDefinition& network, const BuildRequest& request, BuildOutcome& outcome) {
  if (request.precision != Precision::kWeak) return;
  const DataType half = half_type(request);
  std::map<std::string, bool> pins;
  for (const auto& pin : request.pins) pins[pin.node] = pin.half;
  std::set<std::string> found;
  std::set<const ILayer*> pinned_full;
  Helpers helpers(network, request.type_constants);
  for (int i = 0; i < network.getNbLayers(); i++) {
    ILayer& layer = *network.getLayer(i);
    auto pin = pins.find(node_of(layer));
    if (pin == pins.end()) pin = pins.find(layer.getName());
    if (pin == pins.end()) continue;
    found.insert(pin->first);
    if (!takes_type(layer)) continue;
    set_layer_type(layer, pin->second ? half : DataType::kFLOAT);
    if (pin->second) continue;
    pinned_full.insert(&layer);
    helpers.pin_around(layer);
  }
  // Last: a helper of a later layer's may be an earlier one.
  if (request.prefer_half) prefer_half(network, half, {outcome.observed.begin(), outcome.observed.end()}, pinned_full, helpers);
  for (const auto& [node, is_half] : pins) {
    if (found.count(node) == 0) outcome.pins_not_found.push_back(node);
  }
}
#else
void set_types(nvinfer1::INetworkDefinition&, const BuildRequest& request, BuildOutcome&) {
  if (request.precision == Precision::kWeak) {
    throw Error(ErrorCode::kEngineBuild, "TensorRT 11 has no types per layer and no FP16 flag: every network is strongly typed. Build from a file that states its types.");
  }
}
#endif

}  // namespace halfscope::trt
