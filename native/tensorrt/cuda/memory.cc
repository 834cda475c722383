#include "tensorrt/cuda/memory.h"

#include <algorithm>

namespace halfscope::cuda {
namespace {

// cuda.h: CU_STREAM_NON_BLOCKING, CU_EVENT_DISABLE_TIMING.
constexpr unsigned kNonBlocking = 1, kDisableTiming = 2;

/// For destructors: they may run on a thread that never used the device.
bool enter() noexcept {
  try {
    use_device();
    return true;
  } catch (...) {
    return false;
  }
}

std::string megabytes(std::size_t bytes) { return std::to_string((bytes + 999'999) / 1'000'000) + " MB"; }

}  // namespace

Stream::Stream() { check(api().cuStreamCreate(&stream_, kNonBlocking), "Making a stream"); }
Stream::~Stream() {
  if (stream_ != nullptr && enter()) api().cuStreamDestroy_v2(stream_);
}
void Stream::wait() const { check(api().cuStreamSynchronize(stream_), "Running on the GPU"); }

Event::Event(bool timed) { check(api().cuEventCreate(&event_, timed ? 0 : kDisableTiming), "Making an event"); }
Event::~Event() {
  if (event_ != nullptr && enter()) api().cuEventDestroy_v2(event_);
}
void Event::record(const Stream& stream) const { check(api().cuEventRecord(event_, stream.get()), "Recording an event"); }
void Event::wait() const { check(api().cuEventSynchronize(event_), "Running on the GPU"); }
float Event::since(const Event& start) const {
  float milliseconds = 0;
  check(api().cuEventElapsedTime(&milliseconds, start.event_, event_), "Reading the GPU's clock");
  return milliseconds;
}

DeviceBuffer::~DeviceBuffer() { release(); }
void DeviceBuffer::release() noexcept {
  if (address_ != 0 && enter()) api().cuMemFree_v2(address_);
  address_ = 0;
  size_ = 0;
}
bool DeviceBuffer::reserve(std::size_t bytes) {
  bytes = std::max<std::size_t>(bytes, 1);
  if (bytes <= size_) return false;
  release();
  const Status status = api().cuMemAlloc_v2(&address_, bytes);
  if (status != 0) address_ = 0;
  check(status, ("Taking " + megabytes(bytes) + " of the GPU's memory").c_str());
  size_ = bytes;
  return true;
}

PinnedBuffer::~PinnedBuffer() { release(); }
void PinnedBuffer::release() noexcept {
  if (data_ != nullptr && enter()) api().cuMemFreeHost(data_);
  data_ = nullptr;
  size_ = 0;
}
bool PinnedBuffer::reserve(std::size_t bytes) {
  bytes = std::max<std::size_t>(bytes, 1);
  if (bytes <= size_) return false;
  release();
  const Status status = api().cuMemHostAlloc(&data_, bytes, 0);
  if (status != 0) data_ = nullptr;
  check(status, ("Taking " + megabytes(bytes) + " of pinned memory").c_str());
  size_ = bytes;
  return true;
}

void copy_to_device(DeviceAddress to, const void* from, std::size_t bytes, const Stream& stream) {
  if (bytes > 0) check(api().cuMemcpyHtoDAsync_v2(to, from, bytes, stream.get()), "Copying to the GPU");
}
void copy_to_host(void* to, const void* from, std::size_t bytes, const Stream& stream) {
  if (bytes > 0) check(api().cuMemcpyDtoHAsync_v2(to, reinterpret_cast<DeviceAddress>(from), bytes, stream.get()), "Copying from the GPU");
}

void copy_to_host_now(void* to, const void* from, std::size_t bytes, void* stream) {
  auto* const queue = static_cast<StreamPointer>(stream);
  if (bytes > 0) check(api().cuMemcpyDtoHAsync_v2(to, reinterpret_cast<DeviceAddress>(from), bytes, queue), "Copying from the GPU");
  check(api().cuStreamSynchronize(queue), "Running on the GPU");
}

}  // namespace halfscope::cuda
