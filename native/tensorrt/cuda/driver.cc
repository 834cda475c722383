#include "tensorrt/cuda/driver.h"

#include <dlfcn.h>

#include <fstream>
#include <mutex>
#include <regex>

namespace halfscope::cuda {
namespace {

// cuda.h: CUdevice_attribute.
constexpr int kMultiprocessorCount = 16, kComputeCapabilityMajor = 75, kComputeCapabilityMinor = 76;

Api table;
ContextPointer context = nullptr;

[[noreturn]] void unavailable(const std::string& message) { throw Error(ErrorCode::kBackendUnavailable, message); }

void load_functions() {
  void* library = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = ::dlerror();
    unavailable("No NVIDIA driver: libcuda.so.1 could not be loaded (" + std::string(reason ? reason : "no reason given") + ").");
  }
#define HALFSCOPE_CUDA_LOAD(name, parameters)                                    \
  table.name = reinterpret_cast<Status(*) parameters>(::dlsym(library, #name)); \
  if (table.name == nullptr) unavailable("The NVIDIA driver's libcuda.so.1 lacks " #name "; a driver for CUDA 11 or newer is needed.");
  HALFSCOPE_CUDA_FUNCTIONS(HALFSCOPE_CUDA_LOAD)
#undef HALFSCOPE_CUDA_LOAD
}

std::string name_of(Status status) {
  const char* name = nullptr;
  const char* text = nullptr;
  if (table.cuGetErrorName(status, &name) != 0 || name == nullptr) return "CUDA error " + std::to_string(status);
  if (table.cuGetErrorString(status, &text) != 0 || text == nullptr) return name;
  return std::string(name) + ", " + text;
}

/// "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  ..."
std::string driver_version() {
  std::ifstream file("/proc/driver/nvidia/version");
  std::string line;
  std::getline(file, line);
  std::smatch found;
  return std::regex_search(line, found, std::regex(R"(\s(\d+\.\d+(\.\d+)?)\s)")) ? found[1].str() : std::string();
}

DeviceInfo examine() {
  const Status started = table.cuInit(0);
  if (started != 0) unavailable("No usable NVIDIA GPU: cuInit says " + name_of(started) + ".");
  int count = 0;
  check(table.cuDeviceGetCount(&count), "Counting GPUs", ErrorCode::kBackendUnavailable);
  if (count == 0) unavailable("No NVIDIA GPU: the driver is there and shows none (CUDA_VISIBLE_DEVICES may hide it).");
  int device = 0, version = 0;
  DeviceInfo info;
  const auto ask = [](Status status) { check(status, "Asking the GPU for its properties", ErrorCode::kBackendUnavailable); };
  ask(table.cuDeviceGet(&device, 0));
  char name[256] = {};
  ask(table.cuDeviceGetName(name, sizeof(name) - 1, device));
  info.name = name;
  ask(table.cuDeviceGetAttribute(&info.major, kComputeCapabilityMajor, device));
  ask(table.cuDeviceGetAttribute(&info.minor, kComputeCapabilityMinor, device));
  ask(table.cuDeviceGetAttribute(&info.processors, kMultiprocessorCount, device));
  char bus[32] = {};
  ask(table.cuDeviceGetPCIBusId(bus, sizeof(bus), device));
  info.pci_bus = bus;
  std::size_t bytes = 0;
  ask(table.cuDeviceTotalMem_v2(&bytes, device));
  info.memory_bytes = bytes;
  ask(table.cuDriverGetVersion(&version));
  info.cuda = std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  info.driver = driver_version();
  ask(table.cuDevicePrimaryCtxRetain(&context, device));
  return info;
}

}  // namespace

const DeviceInfo& open() {
  static std::mutex guard;
  static const DeviceInfo* opened = nullptr;  // leaked on purpose, like the context: threads may outlive any one owner
  const std::lock_guard<std::mutex> lock(guard);
  if (opened == nullptr) {
    if (table.cuEventElapsedTime == nullptr) load_functions();
    opened = new DeviceInfo(examine());
  }
  return *opened;
}

const Api& api() noexcept { return table; }

void use_device() { check(table.cuCtxSetCurrent(context), "Using the GPU"); }

void check(Status status, const char* doing, ErrorCode code) {
  if (status != 0) throw Error(code, std::string(doing) + " failed: " + name_of(status) + ".");
}

}  // namespace halfscope::cuda
