#include "engine.h"

#include <NvOnnxParser.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <set>
#include <stdexcept>

namespace halfscope {
namespace {

class Log : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char* message) noexcept override {
    if (severity > Severity::kWARNING) return;
    if (severity <= Severity::kERROR) last_error = message;
    std::fprintf(stderr, "TensorRT: %s\n", message);
  }
  std::string last_error;
};

template <typename T>
std::unique_ptr<T> made(T* object, const char* what, const Log& log) {
  if (object == nullptr) throw std::runtime_error(std::string(what) + " failed. " + log.last_error);
  return std::unique_ptr<T>(object);
}

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
}

/// Memory of the GPU, freed with its owner.
class DeviceBytes {
 public:
  explicit DeviceBytes(std::size_t bytes) { check(cudaMalloc(&data_, std::max<std::size_t>(bytes, 1)), "cudaMalloc"); }
  DeviceBytes(DeviceBytes&& other) noexcept : data_(other.data_) { other.data_ = nullptr; }
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;
  DeviceBytes& operator=(DeviceBytes&&) = delete;
  ~DeviceBytes() { cudaFree(data_); }
  void* get() const { return data_; }

 private:
  void* data_ = nullptr;
};

class Stream {
 public:
  Stream() { check(cudaStreamCreate(&stream_), "cudaStreamCreate"); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { cudaStreamDestroy(stream_); }
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

nvinfer1::Dims dims_of(const std::vector<std::int64_t>& sizes) {
  nvinfer1::Dims dims{};
  dims.nbDims = static_cast<std::int32_t>(sizes.size());
  std::copy(sizes.begin(), sizes.end(), dims.d);
  return dims;
}

std::size_t count_of(const nvinfer1::Dims& dims, const char* name) {
  std::size_t count = 1;
  for (int i = 0; i < dims.nbDims; i++) {
    if (dims.d[i] < 0) throw std::runtime_error(std::string("the shape of ") + name + " is not known before the run");
    count *= static_cast<std::size_t>(dims.d[i]);
  }
  return count;
}

/// Only tensors that the ONNX graph names: broadcast constants that the parser adds (ONNXTRT_*) cannot be built in FP16 when they are marked.
void mark_tensors(nvinfer1::INetworkDefinition& network, const std::vector<std::string>& names, bool half) {
  const std::set<std::string> wanted(names.begin(), names.end());
  for (int i = 0; i < network.getNbLayers(); i++) {
    nvinfer1::ILayer* layer = network.getLayer(i);
    if (layer->getType() == nvinfer1::LayerType::kCONSTANT) continue;
    for (int o = 0; o < layer->getNbOutputs(); o++) {
      nvinfer1::ITensor* tensor = layer->getOutput(o);
      if (tensor->getType() != nvinfer1::DataType::kFLOAT || tensor->isNetworkOutput() || tensor->isNetworkInput()) continue;
      if (wanted.count(tensor->getName()) == 0) continue;
      network.markOutput(*tensor);
      if (!half) continue;
      layer->setPrecision(nvinfer1::DataType::kHALF);
      layer->setOutputType(o, nvinfer1::DataType::kHALF);
      tensor->setType(nvinfer1::DataType::kHALF);
    }
  }
}

struct Output {
  std::string name;
  const void* data;
  bool half;
};

float float_of(std::uint16_t half) {
  const int exponent = (half >> 10) & 31, fraction = half & 1023;
  const float sign = (half & 0x8000) != 0 ? -1.0f : 1.0f;
  if (exponent == 31) return fraction == 0 ? sign * HUGE_VALF : NAN;
  return sign * (exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24) : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25));
}

void copy_output(const Output& from, std::vector<float>& to) {
  std::vector<std::uint16_t> halves(from.half ? to.size() : 0);
  void* raw = from.half ? static_cast<void*>(halves.data()) : static_cast<void*>(to.data());
  check(cudaMemcpy(raw, from.data, to.size() * (from.half ? 2 : 4), cudaMemcpyDeviceToHost), "copying an output");
  std::transform(halves.begin(), halves.end(), to.begin(), float_of);
}

double median_milliseconds(nvinfer1::IExecutionContext& context, cudaStream_t stream) {
  std::vector<double> times;
  for (int i = 0; i < 110; i++) {
    const auto start = std::chrono::steady_clock::now();
    if (!context.enqueueV3(stream)) throw std::runtime_error("enqueueV3 failed");
    check(cudaStreamSynchronize(stream), "run");
    if (i >= 10) times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

}  // namespace

EngineRun run_engine(const std::string& model, const Prepared& prepared, const EngineOptions& options) {
  Log log;
  EngineRun run;
  const auto started = std::chrono::steady_clock::now();
  const auto builder = made(nvinfer1::createInferBuilder(log), "createInferBuilder", log);
  const auto network = made(builder->createNetworkV2(0), "createNetworkV2", log);
  const auto parser = made(nvonnxparser::createParser(*network, log), "createParser", log);
  if (!parser->parseFromFile(model.c_str(), static_cast<int>(nvinfer1::ILogger::Severity::kWARNING)))
    throw std::runtime_error("TensorRT cannot parse " + model + ". " + (parser->getNbErrors() > 0 ? parser->getError(0)->desc() : ""));
  for (int i = 0; i < network->getNbOutputs(); i++) run.outputs.emplace_back(network->getOutput(i)->getName());
  const bool prefer_half = options.half && options.prefer_half;
  if (options.marked) mark_tensors(*network, prepared.tensors, prefer_half);

  const auto config = made(builder->createBuilderConfig(), "createBuilderConfig", log);
  config->clearFlag(nvinfer1::BuilderFlag::kTF32);
  if (options.half) config->setFlag(nvinfer1::BuilderFlag::kFP16);
  if (prefer_half) config->setFlag(nvinfer1::BuilderFlag::kPREFER_PRECISION_CONSTRAINTS);
  config->setProfilingVerbosity(nvinfer1::ProfilingVerbosity::kDETAILED);
  nvinfer1::IOptimizationProfile* profile = builder->createOptimizationProfile();
  for (const Input& input : prepared.inputs)
    for (const auto which : {nvinfer1::OptProfileSelector::kMIN, nvinfer1::OptProfileSelector::kOPT, nvinfer1::OptProfileSelector::kMAX})
      profile->setDimensions(input.name.c_str(), which, dims_of(input.dims));
  config->addOptimizationProfile(profile);
  const auto plan = made(builder->buildSerializedNetwork(*network, *config), "building the engine", log);
  run.build_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();

  const auto runtime = made(nvinfer1::createInferRuntime(log), "createInferRuntime", log);
  const auto engine = made(runtime->deserializeCudaEngine(plan->data(), plan->size()), "loading the engine", log);
  const auto inspector = made(engine->createEngineInspector(), "createEngineInspector", log);
  run.layers = inspector->getEngineInformation(nvinfer1::LayerInformationFormat::kJSON);
  const auto context = made(engine->createExecutionContext(), "createExecutionContext", log);
  Stream stream;
  std::vector<DeviceBytes> buffers;
  for (const Input& input : prepared.inputs) {
    buffers.emplace_back(input.bytes.size());
    check(cudaMemcpy(buffers.back().get(), input.bytes.data(), input.bytes.size(), cudaMemcpyHostToDevice), "copying an input");
    context->setInputShape(input.name.c_str(), dims_of(input.dims));
    context->setTensorAddress(input.name.c_str(), buffers.back().get());
  }
  std::vector<Output> outputs;
  for (int i = 0; i < engine->getNbIOTensors(); i++) {
    const char* name = engine->getIOTensorName(i);
    if (engine->getTensorIOMode(name) != nvinfer1::TensorIOMode::kOUTPUT) continue;
    const std::size_t count = count_of(context->getTensorShape(name), name);
    buffers.emplace_back(count * 8);  // no output type is wider
    context->setTensorAddress(name, buffers.back().get());
    const nvinfer1::DataType type = engine->getTensorDataType(name);
    if (type != nvinfer1::DataType::kFLOAT && type != nvinfer1::DataType::kHALF) continue;
    outputs.push_back({name, buffers.back().get(), type == nvinfer1::DataType::kHALF});
    run.values[name].resize(count);
  }
  run.milliseconds = median_milliseconds(*context, stream.get());
  for (const Output& output : outputs) copy_output(output, run.values[output.name]);
  return run;
}

}  // namespace halfscope
