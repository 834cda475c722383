#pragma once

#include <mutex>
#include <vector>

#include "ort/library.h"

namespace halfscope::ort {

/// Stops the runs of one request, those that are under way and those to come. From any thread.
class Cancellation {
 public:
  /// Says so to every run that is under way.
  void cancel() noexcept {
    const std::lock_guard<std::mutex> lock(guard_);
    cancelled_ = true;
    for (RunOptions* options : running_) {
      Status* status = api().RunOptionsSetTerminate(options);
      if (status != nullptr) api().ReleaseStatus(status);
    }
  }

  bool cancelled() const noexcept {
    const std::lock_guard<std::mutex> lock(guard_);
    return cancelled_;
  }

  /// Lists a run for as long as it is under way. Throws Error (kCancelled) where the request was stopped before.
  class Running {
   public:
    Running(Cancellation& owner, RunOptions* options) : owner_(owner), options_(options) {
      const std::lock_guard<std::mutex> lock(owner_.guard_);
      if (owner_.cancelled_) throw Error(ErrorCode::kCancelled, "Stopped before the work was done.");
      owner_.running_.push_back(options);
    }
    ~Running() {
      const std::lock_guard<std::mutex> lock(owner_.guard_);
      for (auto& entry : owner_.running_) {
        if (entry != options_) continue;
        entry = owner_.running_.back();
        owner_.running_.pop_back();
        return;
      }
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    Cancellation& owner_;
    RunOptions* options_;
  };

 private:
  mutable std::mutex guard_;
  std::vector<RunOptions*> running_;
  bool cancelled_ = false;
};

}  // namespace halfscope::ort
