#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace halfscope::trt {

/// A thread that does one thing after another, and looks out for the next for a while before it sleeps: to wake a thread takes longer than to hand a request to one that
/// is awake. Starts with the first thing to do. Destroying it waits for what was handed in.
class LingeringThread {
 public:
  explicit LingeringThread(std::chrono::microseconds linger) : linger_(linger) {}
  LingeringThread(const LingeringThread&) = delete;
  LingeringThread& operator=(const LingeringThread&) = delete;
  ~LingeringThread();

  /// `work` throws nothing. Throws std::system_error where there is no thread to be had.
  void submit(std::function<void()> work);

 private:
  void serve();

  const std::chrono::microseconds linger_;
  std::mutex guard_;
  std::condition_variable come_;
  std::deque<std::function<void()>> work_;
  std::atomic<bool> wanted_{false};  ///< there is work, or the end has come
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace halfscope::trt
