#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "tensorrt/runtime/pause.h"
#include "tensorrt/runtime/tensor.h"

namespace halfscope::trt {

/// A request that an engine's own thread answers. Safe between that thread, one that looks for the answer without sleep and one that sleeps until it is there.
class PendingRequest {
 public:
  /// Once. Keeps what `work` throws.
  template <class Work>
  void fulfil(const Work& work) noexcept {
    try {
      outputs_ = work();
    } catch (...) {
      failure_ = std::current_exception();
    }
    {
      const std::lock_guard<std::mutex> lock(guard_);
      done_.store(true, std::memory_order_release);
    }
    over_.notify_all();
  }

  /// Whether it is done, within this time; looks for it without sleep.
  bool done_within(std::chrono::microseconds limit) const noexcept {
    return pause_until(std::chrono::steady_clock::now() + limit, [this] { return done_.load(std::memory_order_acquire); });
  }
  /// Sleeps until it is done.
  void wait() {
    std::unique_lock<std::mutex> lock(guard_);
    over_.wait(lock, [this] { return done_.load(std::memory_order_acquire); });
  }
  /// When it is done, once. Throws what the request threw.
  std::vector<HostTensor> take() {
    if (failure_) std::rethrow_exception(failure_);
    return std::move(outputs_);
  }

 private:
  std::vector<HostTensor> outputs_;
  std::exception_ptr failure_;
  std::mutex guard_;
  std::condition_variable over_;
  std::atomic<bool> done_{false};
};

}  // namespace halfscope::trt
