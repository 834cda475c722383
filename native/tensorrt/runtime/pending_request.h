#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "tensorrt/runtime/pause.h"
#include "tensorrt/runtime/tensor.h"

namespace halfscope::trt {

/// A request that an engine's own thread answers. Safe between that thread and one that waits.
class PendingRequest {
 public:
  /// On the engine's thread, once.
  template <class Work>
  void fulfil(const Work& work) noexcept {
    try {
      outputs_ = work();
    } catch (...) {
      failure_ = std::current_exception();
    }
    done_.store(true, std::memory_order_release);
  }

  /// Whether it is done, within this time; looks for it without sleep.
  bool done_within(std::chrono::microseconds limit) const noexcept {
    return pause_until(std::chrono::steady_clock::now() + limit, [this] { return done_.load(std::memory_order_acquire); });
  }
  void wait() const noexcept {
    while (!done_within(std::chrono::microseconds(0))) std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  /// When it is done, once. Throws what the request threw.
  std::vector<HostTensor> take() {
    if (failure_) std::rethrow_exception(failure_);
    return std::move(outputs_);
  }

 private:
  std::vector<HostTensor> outputs_;
  std::exception_ptr failure_;
  std::atomic<bool> done_{false};
};

}  // namespace halfscope::trt
