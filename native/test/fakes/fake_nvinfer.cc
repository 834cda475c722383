// A libnvinfer that knows one network, whatever the file says: input "x" float [batch, 4]; "hidden" = 2x + 0.1 by node "first"; "y" = hidden * hidden by node "second",
// which is the output; besides a constant, a constant of the parser's and sizes in integers. In FP16 every result is rounded to 11 bits. Settings, from the
// environment: FAKE_TENSORRT_VERSION (what getInferLibVersion says), FAKE_BUILD_STEPS (steps of 10 ms), FAKE_BUILD=fails, FAKE_RUN=fails, FAKE_RUN_MS;
// FAKE_NETWORK=gemm (the parser splits "first" as it does a Gemm), FAKE_DIAMONDS (how many of the parser's own layers stand around it, each two ways wide).
// Compiled with the stubs that stub-classes.mjs writes: a call that halfscope is not known to make ends the program.

#include "stubs.h"

#include <dlfcn.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace nvinfer1 {
namespace {

using namespace apiv;

int setting(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}
bool is_set(const char* name, const char* value) {
  const char* text = std::getenv(name);
  return text != nullptr && std::strcmp(text, value) == 0;
}

float rounded(float value, bool half) {
  if (!half || value == 0) return value;
  int exponent = 0;
  const float fraction = std::frexp(value, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(fraction, 11)), exponent - 11);
}

Dims dims_of(std::initializer_list<std::int64_t> sizes) {
  Dims dims{};
  for (const auto size : sizes) dims.d[dims.nbDims++] = size;
  return dims;
}

class Memory final : public IHostMemory, StubVHostMemory {
 public:
  explicit Memory(std::string bytes) : bytes_(std::move(bytes)) { IHostMemory::mImpl = this; }
  void* data() const noexcept override { return const_cast<char*>(bytes_.data()); }
  std::size_t size() const noexcept override { return bytes_.size(); }
  DataType type() const noexcept override { return DataType::kINT8; }

 private:
  std::string bytes_;
};

class Tensor final : public ITensor, StubVTensor {
 public:
  Tensor(std::string name, DataType type, Dims dims, bool input = false, bool output = false)
      : output(output), name_(std::move(name)), type_(type), dims_(dims), input_(input) {
    ITensor::mImpl = this;
  }
  const char* getName() const noexcept override { return name_.c_str(); }
  Dims getDimensions() const noexcept override { return dims_; }
  void setType(DataType type) noexcept override { type_ = type; }
  DataType getType() const noexcept override { return type_; }
  bool isNetworkInput() const noexcept override { return input_; }
  bool isNetworkOutput() const noexcept override { return output; }
  bool isShapeTensor() const noexcept override { return false; }
  bool isExecutionTensor() const noexcept override { return true; }
  const char* getDimensionName(std::int32_t index) const noexcept override { return dims_.d[index] < 0 ? "batch" : nullptr; }
  bool output, debug = false;

 private:
  std::string name_;
  DataType type_;
  Dims dims_;
  bool input_;
};

class Layer final : public ILayer, StubVLayer {
 public:
  Layer(std::string name, std::string metadata, LayerType type, Tensor& output, std::vector<Tensor*> inputs = {})
      : name_(std::move(name)), metadata_(std::move(metadata)), type_(type), output_(output), inputs_(std::move(inputs)) {
    mLayer = this;
  }
  LayerType getType() const noexcept override { return type_; }
  const char* getName() const noexcept override { return name_.c_str(); }
  const char* getMetadata() const noexcept override { return metadata_.c_str(); }
  std::int32_t getNbInputs() const noexcept override { return static_cast<std::int32_t>(inputs_.size()); }
  ITensor* getInput(std::int32_t index) const noexcept override { return inputs_[static_cast<std::size_t>(index)]; }
  std::int32_t getNbOutputs() const noexcept override { return 1; }
  ITensor* getOutput(std::int32_t) const noexcept override { return &output_; }
  void setPrecision(DataType type) noexcept override { precision = type; }
  void setOutputType(std::int32_t, DataType) noexcept override {}
  DataType precision = DataType::kINT32;  // nothing asked for

 private:
  std::string name_, metadata_;
  LayerType type_;
  Tensor& output_;
  std::vector<Tensor*> inputs_;
};

class Network final : public INetworkDefinition, StubVNetworkDefinition {
 public:
  explicit Network(bool typed) : typed(typed) {
    INetworkDefinition::mImpl = this;
    layers.emplace_back("w", "", LayerType::kCONSTANT, w);
    layers.emplace_back("ONNXTRT_Broadcast", "", LayerType::kSHUFFLE, t, std::vector<Tensor*>{&w});
    layers.emplace_back("shape", "[ONNX Layer: shape]", LayerType::kSHAPE, s);
    const int count = setting("FAKE_DIAMONDS", 0);
    Tensor* const input = diamonds(&x, count);
    if (is_set("FAKE_NETWORK", "gemm")) {
      first_ = node("first_1", "[ONNX Layer: first]", LayerType::kMATRIX_MULTIPLY, floats("product"), {input, &x});
      Tensor* const alpha = helper(LayerType::kCONSTANT, "Constant", {});
      Tensor& broadcast = floats("ONNXTRT_Broadcast_5");
      node(broadcast.getName(), "", LayerType::kSHUFFLE, broadcast, {alpha});
      Tensor* const scaled = helper(LayerType::kELEMENTWISE, "ElementWise", {&broadcast, diamonds(&output_of(*first_), count)});
      helper(LayerType::kELEMENTWISE, "ElementWise", {scaled, &t}, &hidden);
      second_input_ = helper(LayerType::kSHUFFLE, "Shuffle", {&broadcast});
    } else {
      first_ = node("first_1", "[ONNX Layer: first]", LayerType::kELEMENTWISE, count > 0 ? floats("product") : hidden, {input, &t});
      if (count > 0) helper(LayerType::kELEMENTWISE, "ElementWise", {diamonds(&output_of(*first_), count)}, &hidden);
    }
    node("second", "[ONNX Layer: second | product]", LayerType::kELEMENTWISE, y, {&hidden, second_input_});
  }
  std::int32_t getNbInputs() const noexcept override { return 1; }
  ITensor* getInput(std::int32_t) const noexcept override { return const_cast<Tensor*>(&x); }
  std::int32_t getNbOutputs() const noexcept override { return static_cast<std::int32_t>(1 + marked.size()); }
  ITensor* getOutput(std::int32_t index) const noexcept override { return index == 0 ? const_cast<Tensor*>(&y) : marked[static_cast<std::size_t>(index - 1)]; }
  std::int32_t getNbLayers() const noexcept override { return static_cast<std::int32_t>(layers.size()); }
  ILayer* getLayer(std::int32_t index) const noexcept override { return const_cast<Layer*>(&layers[static_cast<std::size_t>(index)]); }
  void markOutput(ITensor& tensor) noexcept override {
    static_cast<Tensor&>(tensor).output = true;
    marked.push_back(&static_cast<Tensor&>(tensor));
  }
  bool markDebug(ITensor& tensor) noexcept override { return static_cast<Tensor&>(tensor).debug = true; }

  /// The layers that were asked for in FP32, how many and by name; empty for none.
  std::string in_full() const {
    std::string names;
    int count = 0;
    for (const auto& layer : layers)
      if (layer.precision == DataType::kFLOAT) names += (count++ == 0 ? ": " : ", ") + std::string(layer.getName());
    return count == 0 ? "" : std::to_string(count) + " layers" + names;
  }
  /// Whether all that computes "hidden" was: the node itself, and of a Gemm the sum behind it.
  bool first_in_full() const {
    for (const auto& layer : layers)
      if ((&layer == first_ || layer.getOutput(0) == &hidden) && layer.precision != DataType::kFLOAT) return false;
    return true;
  }

  bool typed;
  std::vector<Tensor*> marked;
  Tensor x{"x", DataType::kFLOAT, dims_of({-1, 4}), true}, w{"w", DataType::kFLOAT, dims_of({4})}, t{"ONNXTRT_Broadcast", DataType::kFLOAT, dims_of({1, 4})},
      s{"sizes", DataType::kINT64, dims_of({2})}, hidden{"hidden", DataType::kFLOAT, dims_of({-1, 4})}, y{"y", DataType::kFLOAT, dims_of({-1, 4}), false, true};
  std::deque<Layer> layers;

 private:
  Tensor& floats(std::string name) { return tensors_.emplace_back(std::move(name), DataType::kFLOAT, dims_of({-1, 4})); }
  static Tensor& output_of(const Layer& layer) { return static_cast<Tensor&>(*layer.getOutput(0)); }
  const Layer* node(std::string name, std::string metadata, LayerType type, Tensor& output, std::vector<Tensor*> inputs) {
    return &layers.emplace_back(std::move(name), std::move(metadata), type, output, std::move(inputs));
  }
  /// As TensorRT names what the parser does not.
  Tensor* helper(LayerType type, const char* kind, std::vector<Tensor*> inputs, Tensor* output = nullptr) {
    const std::string name = "(Unnamed Layer* " + std::to_string(layers.size()) + ") [" + kind + "]";
    if (output == nullptr) output = &floats(name + "_output");
    node(name, "", type, *output, std::move(inputs));
    return output;
  }
  Tensor* diamonds(Tensor* from, int count) {
    for (int i = 0; i < count; i++) {
      Tensor* const left = helper(LayerType::kSHUFFLE, "Shuffle", {from});
      Tensor* const right = helper(LayerType::kSHUFFLE, "Shuffle", {from});
      from = helper(LayerType::kELEMENTWISE, "ElementWise", {left, right});
    }
    return from;
  }

  std::deque<Tensor> tensors_;
  const Layer* first_ = nullptr;
  Tensor* second_input_ = &hidden;
};

class Profile final : public IOptimizationProfile, StubVOptimizationProfile {
 public:
  Profile() { IOptimizationProfile::mImpl = this; }
  bool setDimensions(const char* name, OptProfileSelector which, const Dims& dims) noexcept override {
    if (std::strcmp(name, "x") != 0 || dims.nbDims != 2 || dims.d[1] != 4) return false;
    batch[static_cast<int>(which)] = dims.d[0];
    return true;
  }
  std::int64_t batch[3] = {};
};

/// What it says is the kernels that it knows; one that starts with "elsewhere;" is of another GPU.
class Cache final : public ITimingCache, StubVTimingCache {
 public:
  explicit Cache(std::string text) : text(std::move(text)) { ITimingCache::mImpl = this; }
  IHostMemory* serialize() const noexcept override { return new Memory("cache:" + text); }
  bool combine(const ITimingCache& given, bool) noexcept override {
    const auto& other = static_cast<const Cache&>(given);
    if (!text.empty() && !other.text.empty() && elsewhere() != other.elsewhere()) return false;
    text += other.text;
    return true;
  }
  bool elsewhere() const { return text.rfind("elsewhere;", 0) == 0; }
  std::string text;
};

class Config final : public IBuilderConfig, StubVBuilderConfig {
 public:
  explicit Config(ILogger& log) : log_(log) { IBuilderConfig::mImpl = this; }
  void setFlag(BuilderFlag flag) noexcept override { flags.insert(static_cast<int>(flag)); }
  void clearFlag(BuilderFlag flag) noexcept override { flags.erase(static_cast<int>(flag)); }
  void setProfilingVerbosity(ProfilingVerbosity) noexcept override {}
  void setMemoryPoolLimit(MemoryPoolType pool, std::size_t bytes) noexcept override {
    if (pool == MemoryPoolType::kTACTIC_SHARED_MEMORY && bytes >= std::size_t{1} << 30)
      return log_.log(ILogger::Severity::kERROR, "IBuilderConfig::setMemoryPoolLimit: Error Code 3: API Usage Error (shared memory must be less than 1GiB)");
    log_.log(ILogger::Severity::kINFO, ("pool " + std::to_string(static_cast<int>(pool)) + ": " + std::to_string(bytes)).c_str());
  }
  void setBuilderOptimizationLevel(std::int32_t) noexcept override {}
  std::int32_t addOptimizationProfile(const IOptimizationProfile* profile) noexcept override {
    profiles.push_back(static_cast<const Profile*>(profile));
    return static_cast<std::int32_t>(profiles.size()) - 1;
  }
  ITimingCache* createTimingCache(const void* blob, std::size_t size) const noexcept override {
    const std::string text(size == 0 ? "cache:" : std::string(static_cast<const char*>(blob), size));
    return text.rfind("cache:", 0) == 0 ? new Cache(text.substr(6)) : nullptr;
  }
  bool setTimingCache(const ITimingCache& given, bool) noexcept override {
    if (static_cast<const Cache&>(given).elsewhere()) return false;
    cache = const_cast<Cache*>(static_cast<const Cache*>(&given));
    return true;
  }
  const ITimingCache* getTimingCache() const noexcept override { return cache; }
  void setProgressMonitor(IProgressMonitor* given) noexcept override { monitor = given; }
  // A monitor has to outlive whoever uses it.
  ~Config() override {
    if (monitor != nullptr) monitor->getInterfaceInfo();
  }
  bool has(int flag) const { return flags.count(flag) > 0; }

  std::set<int> flags{static_cast<int>(BuilderFlag::kTF32)};
  std::vector<const Profile*> profiles;
  Cache* cache = nullptr;
  IProgressMonitor* monitor = nullptr;

 private:
  ILogger& log_;
};

/// What a plan says, as text.
struct Plan {
  bool half = false;
  bool half_constant = false;
  std::vector<std::string> outputs;  // observed ones
  std::vector<std::string> halves;   // of these, which are given out in FP16
  std::vector<std::string> debug;
  std::vector<std::int64_t> profiles;

  static constexpr const char* kOpening = "fake plan ";
  std::string text() const {
    std::ostringstream out;
    out << kOpening << half << ' ' << half_constant;
    for (const auto* list : {&outputs, &halves, &debug}) {
      out << ' ' << list->size();
      for (const auto& name : *list) out << ' ' << name;
    }
    out << ' ' << profiles.size();
    for (const auto size : profiles) out << ' ' << size;
    return out.str();
  }
  static std::unique_ptr<Plan> read(const std::string& text) {
    if (text.rfind(kOpening, 0) != 0) return nullptr;
    std::istringstream in(text.substr(std::strlen(kOpening)));
    auto plan = std::make_unique<Plan>();
    in >> plan->half >> plan->half_constant;
    for (auto* list : {&plan->outputs, &plan->halves, &plan->debug}) {
      std::size_t count = 0;
      in >> count;
      list->resize(count);
      for (auto& name : *list) in >> name;
    }
    std::size_t count = 0;
    in >> count;
    plan->profiles.resize(count);
    for (auto& size : plan->profiles) in >> size;
    return plan;
  }
};

bool contains(const std::vector<std::string>& list, const std::string& name) {
  for (const auto& item : list)
    if (item == name) return true;
  return false;
}

class Context final : public IExecutionContext, StubVExecutionContext {
 public:
  Context(const Plan& plan, ILogger& log) : plan_(plan), log_(log) { IExecutionContext::mImpl = this; }
  std::int32_t getOptimizationProfile() const noexcept override { return profile_; }
  bool setOptimizationProfileAsync(std::int32_t index, cudaStream_t) noexcept override { return profile_ = index, true; }
  bool setInputShape(const char*, const Dims& dims) noexcept override {
    const auto at = static_cast<std::size_t>(profile_) * 3;
    if (at + 2 < plan_.profiles.size() && (dims.d[0] < plan_.profiles[at] || dims.d[0] > plan_.profiles[at + 2])) {
      log_.log(ILogger::Severity::kERROR, "IExecutionContext::setInputShape: Static dimension mismatch");
      return false;
    }
    batch_ = dims.d[0];
    return true;
  }
  Dims getTensorShape(const char*) const noexcept override { return dims_of({batch_, 4}); }
  bool setTensorAddress(const char* name, void* data) noexcept override { return addresses_[name] = data, true; }
  std::int32_t inferShapes(std::int32_t, const char** names) noexcept override { return batch_ < 0 ? (names[0] = "x", 1) : 0; }
  void setProfiler(IProfiler* profiler) noexcept override { profiler_ = profiler; }
  void setEnqueueEmitsProfile(bool) noexcept override {}
  // Nothing says that nullptr is taken.
  bool setDebugListener(IDebugListener* listener) noexcept override { return listener != nullptr && (listener_ = listener, true); }
  bool setAllTensorsDebugState(bool on) noexcept override {
    watched_.clear();
    if (on) watched_.insert(plan_.debug.begin(), plan_.debug.end());
    return true;
  }
  bool setTensorDebugState(const char* name, bool on) noexcept override {
    if (!contains(plan_.debug, name)) return false;
    if (on) watched_.insert(name);
    return !is_set("FAKE_DEBUG", "refuses");
  }
  bool enqueueV3(cudaStream_t stream) noexcept override {
    std::this_thread::sleep_for(std::chrono::milliseconds(setting("FAKE_RUN_MS", 0)));
    if (const char* says = std::getenv("FAKE_RUN_SAYS")) std::fprintf(stderr, "%s\n", says);
    if (is_set("FAKE_RUN", "fails")) {
      log_.log(ILogger::Severity::kERROR, "Error Code 1: Cuda Runtime (an illegal memory access was encountered)");
      return false;
    }
    const auto* x = static_cast<const float*>(addresses_["x"]);
    const auto count = static_cast<std::size_t>(batch_ * 4);
    std::vector<float> hidden(count), y(count);
    for (std::size_t i = 0; i < count; i++) {
      hidden[i] = rounded(2 * rounded(x[i], plan_.half) + rounded(0.1F, plan_.half_constant), plan_.half);
      y[i] = rounded(hidden[i] * hidden[i], plan_.half);
    }
    if (!see("hidden", hidden, stream)) return false;
    give("hidden", hidden);
    give("y", y);
    if (profiler_ != nullptr) {
      profiler_->reportLayerTime("first", 0.25F);
      profiler_->reportLayerTime("second", 0.5F);
    }
    return true;
  }

 private:
  void give(const std::string& name, const std::vector<float>& values) {
    const auto address = addresses_.find(name);
    if (address == addresses_.end()) return;
    if (!contains(plan_.halves, name)) {
      std::memcpy(address->second, values.data(), values.size() * sizeof(float));
      return;
    }
    auto* halves = static_cast<std::uint16_t*>(address->second);
    for (std::size_t i = 0; i < values.size(); i++) halves[i] = half_of(values[i]);
  }
  bool see(const std::string& name, const std::vector<float>& values, cudaStream_t stream) {
    if (listener_ == nullptr || watched_.count(name) == 0) return true;
    return listener_->processDebugTensor(values.data(), TensorLocation::kDEVICE, DataType::kFLOAT, dims_of({batch_, 4}), name.c_str(), stream);
  }
  /// Normal numbers that have no more than 11 bits, and zero.
  static std::uint16_t half_of(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    if (value == 0) return 0;
    return static_cast<std::uint16_t>((bits >> 16 & 0x8000) | (((bits >> 23 & 255) - 112) << 10) | (bits >> 13 & 1023));
  }

  const Plan& plan_;
  ILogger& log_;
  std::int32_t profile_ = 0;
  std::int64_t batch_ = -1;
  std::map<std::string, void*> addresses_;
  std::set<std::string> watched_;
  IProfiler* profiler_ = nullptr;
  IDebugListener* listener_ = nullptr;
};

class Inspector final : public IEngineInspector, StubVEngineInspector {
 public:
  explicit Inspector(bool half) : half_(half) { IEngineInspector::mImpl = this; }
  const char* getEngineInformation(LayerInformationFormat) const noexcept override {
    return half_ ? R"({"Layers": [{"Name": "first", "LayerType": "kgen", "Inputs": [{"Name": "x", "Dimensions": [-1,4], "Format/Datatype": "Half"}], "Outputs":
      [{"Name": "hidden", "Dimensions": [-1,4], "Format/Datatype": "Half"}], "TacticName": "fake", "Metadata": "[ONNX Layer: first]"}, {"Name": "second"}], "Bindings": ["x", "y"]})"
                 : R"({"Layers": [{"Name": "first"}, {"Name": "second"}], "Bindings": ["x", "y"]})";
  }

 private:
  bool half_;
};

class Engine final : public ICudaEngine, StubVCudaEngine {
 public:
  Engine(std::unique_ptr<Plan> plan, ILogger& log) : plan_(std::move(plan)), log_(log), names_{"x", "y"} {
    names_.insert(names_.end(), plan_->outputs.begin(), plan_->outputs.end());
    ICudaEngine::mImpl = this;
  }
  Dims getTensorShape(const char*) const noexcept override { return dims_of({-1, 4}); }
  DataType getTensorDataType(const char* name) const noexcept override { return contains(plan_->halves, name) ? DataType::kHALF : DataType::kFLOAT; }
  TensorIOMode getTensorIOMode(const char* name) const noexcept override { return std::strcmp(name, "x") == 0 ? TensorIOMode::kINPUT : TensorIOMode::kOUTPUT; }
  TensorLocation getTensorLocation(const char*) const noexcept override { return TensorLocation::kDEVICE; }
  std::int32_t getNbIOTensors() const noexcept override { return static_cast<std::int32_t>(names_.size()); }
  const char* getIOTensorName(std::int32_t index) const noexcept override { return names_[static_cast<std::size_t>(index)].c_str(); }
  std::int32_t getNbOptimizationProfiles() const noexcept override { return static_cast<std::int32_t>(std::max<std::size_t>(1, plan_->profiles.size() / 3)); }
  bool isDebugTensor(const char* name) const noexcept override { return contains(plan_->debug, name); }
  std::int64_t getDeviceMemorySizeV2() const noexcept override { return 4096; }
  IExecutionContext* createExecutionContext(ExecutionContextAllocationStrategy) noexcept override { return new Context(*plan_, log_); }
  IEngineInspector* createEngineInspector() const noexcept override { return new Inspector(plan_->half); }
  IHostMemory* serialize() const noexcept override { return new Memory(plan_->text()); }

 private:
  std::unique_ptr<Plan> plan_;
  ILogger& log_;
  std::vector<std::string> names_;
};

class Runtime final : public IRuntime, StubVRuntime {
 public:
  explicit Runtime(ILogger& log) : log_(log) { IRuntime::mImpl = this; }
  ICudaEngine* deserializeCudaEngine(const void* blob, std::size_t size) noexcept override {
    auto plan = Plan::read(std::string(static_cast<const char*>(blob), size));
    if (plan) return new Engine(std::move(plan), log_);
    log_.log(ILogger::Severity::kERROR, "Error Code 1: Serialization (Serialization assertion magicTagRead == kMAGIC_TAG failed.)");
    return nullptr;
  }

 private:
  ILogger& log_;
};

class Builder final : public IBuilder, StubVBuilder {
 public:
  explicit Builder(ILogger& log) : log_(log) { IBuilder::mImpl = this; }
  IBuilderConfig* createBuilderConfig() noexcept override { return new Config(log_); }
  INetworkDefinition* createNetworkV2(NetworkDefinitionCreationFlags flags) noexcept override { return new Network((flags & 2) != 0); }
  IOptimizationProfile* createOptimizationProfile() noexcept override {
    profiles_.push_back(std::make_unique<Profile>());
    return profiles_.back().get();
  }
  IHostMemory* buildSerializedNetwork(INetworkDefinition& given, IBuilderConfig& settings) noexcept override {
    const auto& network = static_cast<Network&>(given);
    const auto& config = static_cast<Config&>(settings);
    log_.log(ILogger::Severity::kWARNING,
             "Running layernorm after self-attention with FP16 Reduce or Pow may cause overflow. Forcing Reduce or Pow Layers in FP32 precision, or exporting the "
             "model to use INormalizationLayer (available with ONNX opset >= 17) can help preserving accuracy.");
    // Other threads speak too.
    std::thread([&] { log_.log(ILogger::Severity::kINFO, "Detected 1 inputs and 1 output network tensors."); }).join();
    const int steps = setting("FAKE_BUILD_STEPS", 2);
    bool going = true;
    if (config.monitor != nullptr) config.monitor->phaseStart("Building Engine", nullptr, steps);
    for (int i = 0; i < steps && going; i++) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      if (config.monitor != nullptr) going = config.monitor->stepComplete("Building Engine", i);
    }
    if (config.monitor != nullptr) config.monitor->phaseFinish("Building Engine");
    if (!going) return nullptr;
    if (is_set("FAKE_BUILD", "fails")) {
      log_.log(ILogger::Severity::kERROR, "Error Code 10: Internal Error (Could not find any implementation for node {ForeignNode[first...second]}.)");
      return nullptr;
    }
    if (config.cache != nullptr) config.cache->text += "kernel;";
    Plan plan;
    plan.half = network.typed || config.has(static_cast<int>(BuilderFlag::kFP16));
    for (const auto* tensor : network.marked) {
      plan.outputs.emplace_back(tensor->getName());
      if (tensor->getType() == DataType::kHALF) plan.halves.emplace_back(tensor->getName());
    }
    // A pinned node's constant comes through a layer of the parser's, which the builder runs in FP16 unless it is asked not to.
    // As 10.6 does, or with FAKE_CONSTANTS=own as 8.6 does, where a constant has a precision of its own.
    const bool own = std::getenv("FAKE_CONSTANTS") != nullptr && network.layers[0].precision != DataType::kFLOAT;
    plan.half_constant = plan.half && (own || network.layers[1].precision != DataType::kFLOAT);
    if (network.first_in_full()) plan.half = false;
    if (!network.in_full().empty()) log_.log(ILogger::Severity::kINFO, ("in FP32: " + network.in_full()).c_str());
    if (network.hidden.debug) plan.debug.emplace_back("hidden");
    for (const auto* profile : config.profiles) plan.profiles.insert(plan.profiles.end(), profile->batch, profile->batch + 3);
    return new Memory(plan.text());
  }

 private:
  ILogger& log_;
  std::vector<std::unique_ptr<Profile>> profiles_;
};

}  // namespace
}  // namespace nvinfer1

#define FAKE extern "C" __attribute__((visibility("default")))

FAKE std::int32_t getInferLibVersion() noexcept { return nvinfer1::setting("FAKE_TENSORRT_VERSION", 100600); }
FAKE void* createInferBuilder_INTERNAL(void* logger, std::int32_t) noexcept {
  // As the real one asks for its kernels: by a bare name.
  const char* resource = std::getenv("FAKE_BUILDER_RESOURCE");
  if (resource != nullptr && ::dlopen(resource, RTLD_LAZY) == nullptr) {
    static_cast<nvinfer1::ILogger*>(logger)->log(nvinfer1::ILogger::Severity::kERROR, (std::string("Unable to load library: ") + resource).c_str());
    return nullptr;
  }
  return static_cast<nvinfer1::IBuilder*>(new nvinfer1::Builder(*static_cast<nvinfer1::ILogger*>(logger)));
}
FAKE void* createInferRuntime_INTERNAL(void* logger, std::int32_t) noexcept {
  return static_cast<nvinfer1::IRuntime*>(new nvinfer1::Runtime(*static_cast<nvinfer1::ILogger*>(logger)));
}
