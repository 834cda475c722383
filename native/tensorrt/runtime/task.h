#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

#include "tensorrt/face.h"

namespace halfscope::trt {

/// Long work as seen from outside: asked how far it is, told to stop. Safe from several threads.
class Task final : public BuildWatch {
 public:
  struct Phase {
    std::string name;
    int steps = 0, done = 0;
  };

  void cancel() noexcept { cancelled_ = true; }
  bool cancelled() const noexcept override { return cancelled_; }
  const std::atomic<bool>& flag() const noexcept { return cancelled_; }
  /// For work that counts.
  std::atomic<std::size_t>& count() noexcept { return count_; }
  /// Open phases, the outermost first.
  std::vector<Phase> phases() const {
    const std::lock_guard<std::mutex> lock(guard_);
    return phases_;
  }

  void phase(const char* name, const char*, int steps) noexcept override {
    try {
      const std::lock_guard<std::mutex> lock(guard_);
      phases_.push_back({name == nullptr ? "" : name, steps, 0});
    } catch (...) {
      // Progress is a courtesy.
    }
  }
  bool step(const char* name, int done) noexcept override {
    const std::lock_guard<std::mutex> lock(guard_);
    if (Phase* phase = find(name)) phase->done = done;
    return !cancelled_;
  }
  void end(const char* name) noexcept override {
    const std::lock_guard<std::mutex> lock(guard_);
    if (Phase* phase = find(name)) phases_.erase(phases_.begin() + (phase - phases_.data()));
  }

 private:
  /// The innermost of that name.
  Phase* find(const char* name) noexcept {
    for (auto phase = phases_.rbegin(); phase != phases_.rend(); ++phase) {
      if (name != nullptr && phase->name == name) return &*phase;
    }
    return nullptr;
  }

  mutable std::mutex guard_;
  std::vector<Phase> phases_;
  std::atomic<bool> cancelled_{false};
  std::atomic<std::size_t> count_{0};
};

}  // namespace halfscope::trt
