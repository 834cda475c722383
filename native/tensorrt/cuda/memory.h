#pragma once

#include <cstddef>
#include <utility>

#include "tensorrt/cuda/driver.h"

namespace halfscope::cuda {

// Owners of what the driver gives. Freed on any thread: each makes the context current first. Failures while freeing are not told; the owner is gone then.

class Stream {
 public:
  Stream();
  Stream(Stream&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  Stream& operator=(Stream&&) = delete;
  ~Stream();
  StreamPointer get() const noexcept { return stream_; }
  void wait() const;

 private:
  StreamPointer stream_ = nullptr;
};

class Event {
 public:
  /// Without `timed` it only orders, which is cheaper.
  explicit Event(bool timed);
  Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  Event& operator=(Event&&) = delete;
  ~Event();
  void record(const Stream& stream) const;
  void wait() const;
  /// Milliseconds from `start` to this; both have been reached.
  float since(const Event& start) const;

 private:
  EventPointer event_ = nullptr;
};

/// Memory of the GPU that only grows: a second, smaller request costs nothing.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(DeviceBuffer&& other) noexcept : address_(std::exchange(other.address_, 0)), size_(std::exchange(other.size_, 0)) {}
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(DeviceBuffer&&) = delete;
  ~DeviceBuffer();
  /// True when the address changed. What was in it is lost then.
  bool reserve(std::size_t bytes);
  void* get() const noexcept { return reinterpret_cast<void*>(address_); }
  DeviceAddress address() const noexcept { return address_; }
  std::size_t size() const noexcept { return size_; }

 private:
  void release() noexcept;
  DeviceAddress address_ = 0;
  std::size_t size_ = 0;
};

/// Memory of the host that the GPU reaches by itself, so that copies run beside the processor. Only grows.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  PinnedBuffer(PinnedBuffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(PinnedBuffer&&) = delete;
  ~PinnedBuffer();
  bool reserve(std::size_t bytes);
  unsigned char* data() const noexcept { return static_cast<unsigned char*>(data_); }
  std::size_t size() const noexcept { return size_; }

 private:
  void release() noexcept;
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

void copy_to_device(DeviceAddress to, const void* from, std::size_t bytes, const Stream& stream);
void copy_to_host(void* to, const void* from, std::size_t bytes, const Stream& stream);

/// On somebody else's stream, and waited for.
void copy_to_host_now(void* to, const void* from, std::size_t bytes, void* stream);

}  // namespace halfscope::cuda
