#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <mutex>
#include <string>
#include <vector>

#include "metrics/decision.h"
#include "metrics/error_stats.h"

namespace halfscope::ort {

/// The runs of one comparison within a session's run: more than one in a loop. All FP64, read as a flat block in the order of `executionFields` in
/// packages/engine/src/addon-session.ts.
struct Executions {
  double count = 0;
  double worst = -1;         ///< 0-based: the first that holds a pair that cannot pass, else the one with the largest relative L2
  double first_broken = -1;  ///< the first in which the candidate overflowed or held a NaN that the reference has not
  double shape_mismatches = 0;
  double worst_error = -1;   ///< relative L2 of the worst; Infinity for one that cannot pass
};
constexpr std::size_t kExecutionsWidth = 5;
static_assert(sizeof(Executions) == kExecutionsWidth * sizeof(double), "read as a flat block of doubles");

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

  /// A node that runs several times (in a loop) appends.
  void add(std::size_t slot, const ErrorStats& stats, bool same_shape) {
    const std::lock_guard<std::mutex> lock(guard_);
    merge(slots_[slot], stats);
    Executions& e = executions_[slot];
    const double error = relative_l2(stats);
    if (error > e.worst_error) {
      e.worst = e.count;
      e.worst_error = error;
    }
    if (e.first_broken < 0 && (stats.overflowed > 0 || stats.nan_candidate > stats.nan_reference)) e.first_broken = e.count;
    e.shape_mismatches += same_shape ? 0 : 1;
    e.count += 1;
    compares_done_.fetch_add(1, std::memory_order_relaxed);
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
  static double relative_l2(const ErrorStats& s) {
    if (s.non_finite_mismatch > 0) return std::numeric_limits<double>::infinity();
    if (s.sum_squared_error == 0) return 0;
    return s.sum_squared_reference == 0 ? std::numeric_limits<double>::max() : std::sqrt(s.sum_squared_error / s.sum_squared_reference);
  }

  std::vector<std::atomic<std::uint8_t>> switches_;
  std::mutex guard_;
  std::vector<ErrorStats> slots_;
  std::vector<Executions> executions_;
  std::vector<Decision> decisions_;
  std::atomic<std::uint64_t> compares_done_{0};
};

}  // namespace halfscope::ort
