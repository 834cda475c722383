// Requests of a TensorRT plan as a C++ program serves them: inputs copied to pinned memory and to the device, the engine run, outputs copied back and out, and waited
// for. What halfscope's addon takes longer for the same is its overhead; overhead.ts compiles, runs and compares. Prints {"milliseconds": [...]}.
//   g++ -O2 -std=c++17 request-overhead.cc tensorrt-tensors/prepared.cc -isystem TENSORRT/include -isystem CUDA/include -ldl -o request-overhead
//   ./request-overhead LIBNVINFER.so PLAN PREPARED_FOLDER REQUESTS WARMUP
//   ./request-overhead --check PLAN PREPARED_FOLDER          reads what the other form reads, and stops before CUDA: works without a GPU
#include <NvInferRuntime.h>
#include <dlfcn.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tensorrt-tensors/prepared.h"

namespace halfscope {
namespace {

using CuResult = int;
using CuPointer = unsigned long long;

/// A shared library, open as long as this lives.
class Library {
 public:
  explicit Library(const char* path) : handle_(dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) throw std::runtime_error(dlerror());
  }
  ~Library() { dlclose(handle_); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  template <typename Function>
  Function* find(const char* name) const {
    void* found = dlsym(handle_, name);
    if (found == nullptr) throw std::runtime_error(std::string("no function ") + name);
    return reinterpret_cast<Function*>(found);
  }

 private:
  void* handle_;
};

/// What of CUDA's driver is needed, found at run time: no CUDA library is linked.
struct Driver {
  Library library{"libcuda.so.1"};
  CuResult (*init)(unsigned) = library.find<CuResult(unsigned)>("cuInit");
  CuResult (*retain)(void**, int) = library.find<CuResult(void**, int)>("cuDevicePrimaryCtxRetain");
  CuResult (*set_current)(void*) = library.find<CuResult(void*)>("cuCtxSetCurrent");
  CuResult (*allocate)(CuPointer*, std::size_t) = library.find<CuResult(CuPointer*, std::size_t)>("cuMemAlloc_v2");
  CuResult (*free)(CuPointer) = library.find<CuResult(CuPointer)>("cuMemFree_v2");
  CuResult (*allocate_host)(void**, std::size_t, unsigned) = library.find<CuResult(void**, std::size_t, unsigned)>("cuMemHostAlloc");
  CuResult (*free_host)(void*) = library.find<CuResult(void*)>("cuMemFreeHost");
  CuResult (*to_device)(CuPointer, const void*, std::size_t, void*) = library.find<CuResult(CuPointer, const void*, std::size_t, void*)>("cuMemcpyHtoDAsync_v2");
  CuResult (*to_host)(void*, CuPointer, std::size_t, void*) = library.find<CuResult(void*, CuPointer, std::size_t, void*)>("cuMemcpyDtoHAsync_v2");
  CuResult (*create_stream)(void**, unsigned) = library.find<CuResult(void**, unsigned)>("cuStreamCreate");
  CuResult (*synchronize)(void*) = library.find<CuResult(void*)>("cuStreamSynchronize");
};

void check(CuResult result, const char* what) {
  if (result != 0) throw std::runtime_error(std::string(what) + ": CUDA error " + std::to_string(result));
}

class Log : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char* text) noexcept override {
    if (severity <= Severity::kWARNING) std::fprintf(stderr, "%s\n", text);
  }
};

/// One input or output: the caller's bytes, pinned memory and device memory.
class Buffer {
 public:
  Buffer(const Driver& driver, std::size_t bytes) : driver_(driver), plain(bytes) {
    check(driver.allocate(&device, bytes > 0 ? bytes : 1), "cuMemAlloc");
    check(driver.allocate_host(&pinned, bytes > 0 ? bytes : 1, 0), "cuMemHostAlloc");
  }
  ~Buffer() {
    driver_.free(device);
    driver_.free_host(pinned);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

 private:
  const Driver& driver_;

 public:
  std::vector<char> plain;
  void* pinned = nullptr;
  CuPointer device = 0;
};

std::size_t width_of(nvinfer1::DataType type) {
  switch (type) {
    case nvinfer1::DataType::kINT64:
      return 8;
    case nvinfer1::DataType::kFLOAT:
    case nvinfer1::DataType::kINT32:
      return 4;
    case nvinfer1::DataType::kHALF:
    case nvinfer1::DataType::kBF16:
      return 2;
    case nvinfer1::DataType::kINT8:
    case nvinfer1::DataType::kBOOL:
    case nvinfer1::DataType::kUINT8:
      return 1;
    default:
      throw std::runtime_error("a tensor of a type that this program does not know");
  }
}

/// What is served: the plan's bytes and the inputs.
struct Work {
  Work(const char* plan_path, const char* folder) : plan(read_file(plan_path)), prepared(read_prepared(folder)) {
    if (plan.empty()) throw std::runtime_error(std::string(plan_path) + " is empty");
    if (prepared.inputs.empty()) throw std::runtime_error(std::string(folder) + "/run.txt names no input");
  }
  std::string plan;
  Prepared prepared;
};

/// Exit code 3: TensorRT of another version than the headers that this was compiled with.
class WrongVersion : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

int say(const Work& work) {
  std::printf("{\"planBytes\": %zu, \"inputs\": [", work.plan.size());
  for (const Input& input : work.prepared.inputs) {
    std::printf("%s{\"bytes\": %zu, \"dims\": [", &input == &work.prepared.inputs.front() ? "" : ", ", input.bytes.size());
    for (std::size_t i = 0; i < input.dims.size(); i++) std::printf("%s%lld", i == 0 ? "" : ", ", static_cast<long long>(input.dims[i]));
    std::printf("]}");
  }
  std::printf("]}\n");
  return 0;
}

int main_of(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "--check") return say(Work(argv[2], argv[3]));
  if (argc != 6) {
    std::fprintf(stderr, "usage: request-overhead LIBNVINFER.so PLAN PREPARED_FOLDER REQUESTS WARMUP\n       request-overhead --check PLAN PREPARED_FOLDER\n");
    return 2;
  }
  const int requests = std::atoi(argv[4]), warmup = std::atoi(argv[5]);
  const Work work(argv[2], argv[3]);
  const Driver driver;
  check(driver.init(0), "cuInit");
  void* cuda_context = nullptr;
  check(driver.retain(&cuda_context, 0), "cuDevicePrimaryCtxRetain");
  check(driver.set_current(cuda_context), "cuCtxSetCurrent");

  const Library library(argv[1]);
  Log log;
  auto* create = library.find<void*(void*, std::int32_t)>("createInferRuntime_INTERNAL");
  const std::unique_ptr<nvinfer1::IRuntime> runtime(static_cast<nvinfer1::IRuntime*>(create(&log, NV_TENSORRT_VERSION)));
  if (!runtime) throw WrongVersion("TensorRT gave no runtime for headers of version " + std::to_string(NV_TENSORRT_VERSION));
  const std::unique_ptr<nvinfer1::ICudaEngine> engine(runtime->deserializeCudaEngine(work.plan.data(), work.plan.size()));
  if (!engine) throw std::runtime_error("TensorRT cannot read the plan");
  const std::unique_ptr<nvinfer1::IExecutionContext> context(engine->createExecutionContext());
  void* stream = nullptr;
  check(driver.create_stream(&stream, 1), "cuStreamCreate");

  std::vector<std::unique_ptr<Buffer>> inputs, outputs;
  for (const Input& input : work.prepared.inputs) {
    nvinfer1::Dims dims{};
    dims.nbDims = static_cast<std::int32_t>(input.dims.size());
    for (std::size_t i = 0; i < input.dims.size(); i++) dims.d[i] = input.dims[i];
    if (!context->setInputShape(input.name.c_str(), dims)) throw std::runtime_error("the plan refuses the shape of " + input.name);
    inputs.push_back(std::make_unique<Buffer>(driver, input.bytes.size()));
    std::memcpy(inputs.back()->plain.data(), input.bytes.data(), input.bytes.size());
    context->setTensorAddress(input.name.c_str(), reinterpret_cast<void*>(inputs.back()->device));
  }
  for (std::int32_t i = 0; i < engine->getNbIOTensors(); i++) {
    const char* name = engine->getIOTensorName(i);
    if (engine->getTensorIOMode(name) != nvinfer1::TensorIOMode::kOUTPUT) continue;
    const nvinfer1::Dims dims = context->getTensorShape(name);
    std::size_t bytes = width_of(engine->getTensorDataType(name));
    for (std::int32_t d = 0; d < dims.nbDims; d++) bytes *= static_cast<std::size_t>(dims.d[d]);
    outputs.push_back(std::make_unique<Buffer>(driver, bytes));
    context->setTensorAddress(name, reinterpret_cast<void*>(outputs.back()->device));
  }

  const auto request = [&] {
    for (const auto& in : inputs) {
      std::memcpy(in->pinned, in->plain.data(), in->plain.size());
      check(driver.to_device(in->device, in->pinned, in->plain.size(), stream), "cuMemcpyHtoDAsync");
    }
    if (!context->enqueueV3(static_cast<cudaStream_t>(stream))) throw std::runtime_error("TensorRT refused the request");
    for (const auto& out : outputs) check(driver.to_host(out->pinned, out->device, out->plain.size(), stream), "cuMemcpyDtoHAsync");
    check(driver.synchronize(stream), "cuStreamSynchronize");
    for (const auto& out : outputs) std::memcpy(out->plain.data(), out->pinned, out->plain.size());
  };
  for (int i = 0; i < warmup; i++) request();
  std::string text;
  for (int i = 0; i < requests; i++) {
    const auto start = std::chrono::steady_clock::now();
    request();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    char number[32];
    std::snprintf(number, sizeof number, "%s%.6f", i == 0 ? "" : ", ", took.count());
    text += number;
  }
  std::printf("{\"milliseconds\": [%s]}\n", text.c_str());
  return 0;
}

}  // namespace
}  // namespace halfscope

int main(int argc, char** argv) {
  try {
    return halfscope::main_of(argc, argv);
  } catch (const halfscope::WrongVersion& error) {
    std::fprintf(stderr, "request-overhead: %s\n", error.what());
    return 3;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "request-overhead: %s\n", error.what());
    return 1;
  }
}
