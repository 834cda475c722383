// A libcuda.so.1 without a GPU: memory of the "device" is the host's, and everything is done at once. FAKE_CUDA_DEVICES=0 hides the GPU, FAKE_CUDA_INIT=N makes cuInit
// fail with N. Memory that is never given back is for the leak checker to find.

#include <chrono>
#include <cstdlib>
#include <cstring>

namespace {

struct Event {
  std::chrono::steady_clock::time_point reached;
};

int setting(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

int context;

}  // namespace

#define FAKE extern "C" __attribute__((visibility("default"))) int

FAKE cuInit(unsigned) { return setting("FAKE_CUDA_INIT", 0); }
FAKE cuDriverGetVersion(int* version) { return *version = 12040, 0; }
FAKE cuGetErrorName(int error, const char** text) { return *text = error == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : error == 100 ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR_UNKNOWN", 0; }
FAKE cuGetErrorString(int error, const char** text) { return *text = error == 2 ? "out of memory" : error == 100 ? "no CUDA-capable device is detected" : "unknown error", 0; }
FAKE cuDeviceGetCount(int* count) { return *count = setting("FAKE_CUDA_DEVICES", 1), 0; }
FAKE cuDeviceGet(int* device, int) { return *device = 0, 0; }
FAKE cuDeviceGetName(char* name, int length, int) { return std::strncpy(name, "Fake GPU", static_cast<std::size_t>(length)), 0; }
FAKE cuDeviceGetAttribute(int* value, int attribute, int) { return *value = attribute == 75 ? 9 : attribute == 76 ? 0 : 132, 0; }
FAKE cuDeviceGetPCIBusId(char* id, int length, int) { return std::strncpy(id, "0000:1B:00.0", static_cast<std::size_t>(length)), 0; }
FAKE cuDeviceTotalMem_v2(std::size_t* bytes, int) { return *bytes = std::size_t{8} << 30, 0; }
FAKE cuDevicePrimaryCtxRetain(void** made, int) { return *made = &context, 0; }
FAKE cuCtxSetCurrent(void* made) { return made == &context ? 0 : 201; }
FAKE cuMemGetInfo_v2(std::size_t* free, std::size_t* total) { return *free = *total = std::size_t{8} << 30, 0; }
FAKE cuMemAlloc_v2(unsigned long long* address, std::size_t bytes) {
  if (bytes > std::size_t{1} << 30) return 2;
  *address = reinterpret_cast<unsigned long long>(std::malloc(bytes));
  return 0;
}
FAKE cuMemFree_v2(unsigned long long address) { return std::free(reinterpret_cast<void*>(address)), 0; }
FAKE cuMemHostAlloc(void** memory, std::size_t bytes, unsigned) { return *memory = std::malloc(bytes), 0; }
FAKE cuMemFreeHost(void* memory) { return std::free(memory), 0; }
FAKE cuMemcpyHtoDAsync_v2(unsigned long long to, const void* from, std::size_t bytes, void*) { return std::memcpy(reinterpret_cast<void*>(to), from, bytes), 0; }
FAKE cuMemcpyDtoHAsync_v2(void* to, unsigned long long from, std::size_t bytes, void*) { return std::memcpy(to, reinterpret_cast<void*>(from), bytes), 0; }
FAKE cuStreamCreate(void** stream, unsigned) { return *stream = std::malloc(1), 0; }
FAKE cuStreamDestroy_v2(void* stream) { return std::free(stream), 0; }
FAKE cuStreamSynchronize(void*) { return 0; }
FAKE cuEventCreate(Event** event, unsigned) { return *event = new Event(), 0; }
FAKE cuEventDestroy_v2(Event* event) { return delete event, 0; }
FAKE cuEventRecord(Event* event, void*) { return event->reached = std::chrono::steady_clock::now(), 0; }
FAKE cuEventSynchronize(Event*) { return 0; }
FAKE cuEventElapsedTime(float* milliseconds, Event* start, Event* end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->reached - start->reached).count();
  return 0;
}
