#include "tensorrt/runtime/lingering_thread.h"

#include <utility>

#include "tensorrt/runtime/pause.h"

namespace halfscope::trt {

LingeringThread::~LingeringThread() {
  {
    const std::lock_guard<std::mutex> lock(guard_);
    ending_ = true;
    wanted_ = true;
  }
  come_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void LingeringThread::submit(std::function<void()> work) {
  {
    const std::lock_guard<std::mutex> lock(guard_);
    if (!thread_.joinable()) thread_ = std::thread([this] { serve(); });  // first: where it throws, nothing was handed in
    work_.push_back(std::move(work));
    wanted_ = true;
  }
  come_.notify_one();
}

void LingeringThread::serve() {
  for (;;) {
    pause_until(std::chrono::steady_clock::now() + linger_, [this] { return wanted_.load(std::memory_order_acquire); });
    std::unique_lock<std::mutex> lock(guard_);
    come_.wait(lock, [this] { return !work_.empty() || ending_; });
    if (work_.empty()) return;
    const auto work = std::move(work_.front());
    work_.pop_front();
    wanted_ = ending_ || !work_.empty();
    lock.unlock();
    work();
  }
}

}  // namespace halfscope::trt
