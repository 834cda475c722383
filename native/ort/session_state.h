#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "metrics/decision.h"
#include "metrics/error_stats.h"
#include "metrics/executions.h"

namespace halfscope::ort {

/// What one run of a session collected.
struct Collected {
  std::vector<ErrorStats> stats;
  std::vector<Executions> executions;
  std::vector<Decision> decisions;
};

/// What the custom operators of one session share: its switches and its collector. It belongs to the session, not to the process, so that
/// several sessions can run at once.
class SessionState {
 public:
  SessionState(std::size_t switch_count, std::size_t slot_count, std::size_t decision_count)
      : switches_(switch_count), slots_(slot_count), executions_(slot_count), decisions_(decision_count) {}

  std::size_t switch_count() const noexcept { return switches_.size(); }
  std::size_t slot_count() const noexcept { return executions_.size(); }
  std::size_t decision_count() const noexcept { return decisions_.size(); }
  std::uint8_t switch_at(std::size_t index) const noexcept { return switches_[index].load(std::memory_order_relaxed); }
  /// Slots that hold something, in the run that is under way or was the last.
  std::uint64_t compares_done() const noexcept { return compares_done_.load(std::memory_order_relaxed); }

  /// Starts a run: these switches, an empty collector. `switches` has switch_count() values.
  void begin(const std::vector<std::uint8_t>& switches) {
    const std::lock_guard<std::mutex> lock(guard_);
    for (std::size_t i = 0; i < switches_.size(); i++) switches_[i].store(switches[i], std::memory_order_relaxed);
    slots_.assign(executions_.size(), ErrorStats{});
    executions_.assign(executions_.size(), Executions{});
    decisions_.assign(decisions_.size(), Decision{});
    compares_done_.store(0, std::memory_order_relaxed);
  }

  /// One execution of a Compare node; there are several in a loop. It is appended to those before.
  void add(std::size_t slot, const ErrorStats& stats, bool same_shape) {
    const std::lock_guard<std::mutex> lock(guard_);
    if (executions_[slot].count == 0) compares_done_.fetch_add(1, std::memory_order_relaxed);
    merge(slots_[slot], stats);
    halfscope::add(executions_[slot], stats, same_shape);
  }

  void add(std::size_t slot, const Decision& decision) {
    const std::lock_guard<std::mutex> lock(guard_);
    merge(decisions_[slot], decision);
  }

  /// Hands the collected figures over. Those of slots stay as they were until the next run begins.
  Collected take() {
    const std::lock_guard<std::mutex> lock(guard_);
    return {std::move(slots_), executions_, decisions_};
  }

 private:
  std::vector<std::atomic<std::uint8_t>> switches_;
  std::mutex guard_;
  std::vector<ErrorStats> slots_;
  std::vector<Executions> executions_;
  std::vector<Decision> decisions_;
  std::atomic<std::uint64_t> compares_done_{0};
};

}  // namespace halfscope::ort
