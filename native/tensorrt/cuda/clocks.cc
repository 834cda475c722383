#include "tensorrt/cuda/clocks.h"

#include <dlfcn.h>

#include <cstdio>
#include <type_traits>
#include <utility>

namespace halfscope::cuda {
namespace {

struct DeviceHandle;
using Result = int;  // nvmlReturn_t; 0 is success

// nvml.h: nvmlClockType_t and nvmlTemperatureSensors_t.
constexpr int kProcessorClock = 1, kMemoryClock = 2, kGpuSensor = 0;

struct Functions {
  Result (*init)() = nullptr;
  Result (*shutdown)() = nullptr;
  Result (*find)(const char* bus, DeviceHandle** device) = nullptr;
  Result (*clock)(DeviceHandle* device, int type, unsigned* mhz) = nullptr;
  // Missing in some versions:
  Result (*power)(DeviceHandle* device, unsigned* milliwatts) = nullptr;
  Result (*temperature)(DeviceHandle* device, int sensor, unsigned* celsius) = nullptr;
  Result (*reasons)(DeviceHandle* device, unsigned long long* reasons) = nullptr;

  bool usable() const { return init != nullptr && shutdown != nullptr && find != nullptr && clock != nullptr; }
};

Functions load() {
  Functions found;
  void* library = ::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return found;
  const auto look = [&](auto& function, const char* name) {
    if (function == nullptr) function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
  };
  look(found.init, "nvmlInit_v2");
  look(found.shutdown, "nvmlShutdown");
  look(found.find, "nvmlDeviceGetHandleByPciBusId_v2");
  look(found.clock, "nvmlDeviceGetClockInfo");
  look(found.power, "nvmlDeviceGetPowerUsage");
  look(found.temperature, "nvmlDeviceGetTemperature");
  look(found.reasons, "nvmlDeviceGetCurrentClocksEventReasons");  // its name since CUDA 12.2
  look(found.reasons, "nvmlDeviceGetCurrentClocksThrottleReasons");
  return found;
}

/// NVML started, for as long as one reading takes: it counts who uses it.
class Session {
 public:
  explicit Session(const Functions& nvml) : nvml_(nvml), started_(nvml.init() == 0) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    if (started_) nvml_.shutdown();
  }
  bool started() const noexcept { return started_; }

 private:
  const Functions& nvml_;
  bool started_;
};

}  // namespace

std::vector<std::string> throttle_words(unsigned long long reasons) {
  // nvml.h: nvmlClocksThrottleReason*.
  constexpr std::pair<unsigned long long, const char*> kWords[] = {
      {0x1, "idle"},
      {0x2, "clocks set by hand"},
      {0x4, "power limit"},
      {0x8, "hardware slowdown"},
      {0x10, "kept in step with other GPUs"},
      {0x20, "heat"},
      {0x40, "heat, by hardware"},
      {0x80, "power brake"},
      {0x100, "display clocks"},
  };
  std::vector<std::string> words;
  for (const auto& [bit, word] : kWords) {
    if ((reasons & bit) != 0) words.emplace_back(word);
    reasons &= ~bit;
  }
  if (reasons != 0) {
    char text[40];
    std::snprintf(text, sizeof(text), "other (0x%llx)", reasons);
    words.emplace_back(text);
  }
  return words;
}

std::optional<Clocks> read_clocks(const std::string& pci_bus) {
  static const Functions nvml = load();
  if (!nvml.usable()) return std::nullopt;
  const Session session(nvml);
  DeviceHandle* device = nullptr;
  Clocks clocks;
  if (!session.started() || nvml.find(pci_bus.c_str(), &device) != 0) return std::nullopt;
  if (nvml.clock(device, kProcessorClock, &clocks.processor_mhz) != 0 || nvml.clock(device, kMemoryClock, &clocks.memory_mhz) != 0) return std::nullopt;
  unsigned value = 0;
  unsigned long long reasons = 0;
  if (nvml.power != nullptr && nvml.power(device, &value) == 0) clocks.watts = value / 1000.0;
  if (nvml.temperature != nullptr && nvml.temperature(device, kGpuSensor, &value) == 0) clocks.celsius = value;
  if (nvml.reasons != nullptr && nvml.reasons(device, &reasons) == 0) clocks.throttle = throttle_words(reasons);
  return clocks;
}

}  // namespace halfscope::cuda
