#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "metrics/error_stats.h"

namespace halfscope::ort {

/// What the custom operators of one session share: its switches and its collector. It belongs to the session, not to the process, so that
/// several sessions can run at once.
class SessionState {
 public:
  SessionState(std::size_t switch_count, std::size_t slot_count) : switches_(switch_count), slots_(slot_count), filled_(slot_count) {}

  std::size_t switch_count() const noexcept { return switches_.size(); }
  std::size_t slot_count() const noexcept { return slots_.size(); }
  std::uint8_t switch_at(std::size_t index) const noexcept { return switches_[index].load(std::memory_order_relaxed); }
  std::uint64_t compares_done() const noexcept { return compares_done_.load(std::memory_order_relaxed); }

  /// Starts a run: these switches, an empty collector. `switches` has switch_count() values.
  void begin(const std::vector<std::uint8_t>& switches) {
    const std::lock_guard<std::mutex> lock(guard_);
    for (std::size_t i = 0; i < switches_.size(); i++) switches_[i].store(switches[i], std::memory_order_relaxed);
    slots_.assign(slots_.size(), ErrorStats{});
    filled_.assign(filled_.size(), 0);
    compares_done_.store(0, std::memory_order_relaxed);
  }

  /// A node that runs several times (in a loop) appends.
  void add(std::size_t slot, const ErrorStats& stats) {
    const std::lock_guard<std::mutex> lock(guard_);
    merge(slots_[slot], stats);
    filled_[slot] = 1;
    compares_done_.fetch_add(1, std::memory_order_relaxed);
  }

  /// Hands the collected figures over; the collector is empty afterwards.
  std::vector<ErrorStats> take(std::vector<std::uint8_t>& filled) {
    const std::lock_guard<std::mutex> lock(guard_);
    filled = filled_;
    std::vector<ErrorStats> taken(slots_.size());
    taken.swap(slots_);
    return taken;
  }

 private:
  std::vector<std::atomic<std::uint8_t>> switches_;
  std::mutex guard_;
  std::vector<ErrorStats> slots_;
  std::vector<std::uint8_t> filled_;
  std::atomic<std::uint64_t> compares_done_{0};
};

}  // namespace halfscope::ort
