// A libnvidia-ml.so.1 of one GPU, on bus 0000:1B:00.0. FAKE_NVML_INIT=N makes its start fail with N, FAKE_NVML_REASONS are the bits of why it is slow, FAKE_NVML_POWER=N makes
// power fail with N. A start that is never ended is told by fake_nvml_users, which is above zero then.

#include <cstdlib>
#include <cstring>

namespace {

int users = 0;

int setting(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

int device;

}  // namespace

#define FAKE extern "C" __attribute__((visibility("default"))) int

FAKE fake_nvml_users() { return users; }
FAKE nvmlInit_v2() {
  const int failure = setting("FAKE_NVML_INIT", 0);
  if (failure == 0) users++;
  return failure;
}
FAKE nvmlShutdown() { return users--, 0; }
FAKE nvmlDeviceGetHandleByPciBusId_v2(const char* bus, void** found) {
  if (users == 0) return 1;                               // not started
  if (::strcasecmp(bus, "0000:1b:00.0") != 0) return 6;  // not found
  return *found = &device, 0;
}
FAKE nvmlDeviceGetClockInfo(void* asked, int type, unsigned* mhz) {
  if (asked != &device || (type != 1 && type != 2)) return 2;
  return *mhz = type == 1 ? 1755 : 3201, 0;
}
FAKE nvmlDeviceGetPowerUsage(void*, unsigned* milliwatts) { return *milliwatts = 412500, setting("FAKE_NVML_POWER", 0); }
FAKE nvmlDeviceGetTemperature(void*, int sensor, unsigned* celsius) { return *celsius = 51, sensor == 0 ? 0 : 2; }
FAKE nvmlDeviceGetCurrentClocksThrottleReasons(void*, unsigned long long* reasons) {
  return *reasons = static_cast<unsigned long long>(setting("FAKE_NVML_REASONS", 0)), 0;
}
