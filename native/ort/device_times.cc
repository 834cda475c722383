#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "ort/device_session.h"

namespace halfscope::ort {
namespace {

using Clock = std::chrono::steady_clock;
double milliseconds(Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

/// A request that was timed.
struct Served {
  std::size_t index;
  Clock::time_point start, end;
};

/// Holds threads until all of them are there.
class Gate {
 public:
  explicit Gate(std::size_t threads) : missing_(threads) {}
  void pass() {
    std::unique_lock<std::mutex> lock(guard_);
    leave();
    all_.wait(lock, [this] { return missing_ == 0; });
  }
  /// In place of a thread that could not be started.
  void pass_for_another() {
    const std::lock_guard<std::mutex> lock(guard_);
    leave();
  }
  /// When the last one came.
  Clock::time_point opened() const { return opened_; }

 private:
  void leave() {
    if (--missing_ > 0) return;
    opened_ = Clock::now();
    all_.notify_all();
  }

  std::mutex guard_;
  std::condition_variable all_;
  std::size_t missing_;
  Clock::time_point opened_;
};

}  // namespace

RequestTimes DeviceSession::time(const DeviceInputs& inputs, const TimeRequest& request, Cancellation& cancellation) {
  const std::size_t contexts = std::max<std::size_t>(1, request.contexts);
  std::vector<std::vector<Served>> served(contexts);  // as they come: somebody may ask for as many as fit into a time
  std::vector<std::exception_ptr> failures(contexts);
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  Gate gate(contexts);
  const auto serve = [&](std::size_t context) {
    const auto guarded = [&](auto work) {
      try {
        work();
      } catch (...) {
        failures[context] = std::current_exception();
        failed = true;
      }
    };
    guarded([&] {
      for (std::size_t i = 0; i < request.warmup && !failed; i++) invoke(inputs, request.fetch, cancellation);
    });
    gate.pass();  // also after a failure, or the others would wait forever
    guarded([&] {
      while (!failed) {
        if (request.max_milliseconds > 0 && next >= kLeastRequests && milliseconds(Clock::now() - gate.opened()) >= request.max_milliseconds) break;
        const std::size_t i = next++;
        if (i >= request.requests) break;
        const auto start = Clock::now();
        const auto outputs = invoke(inputs, request.fetch, cancellation);
        served[context].push_back({i, start, Clock::now()});
      }
    });
  };
  std::vector<std::thread> threads;
  try {
    for (std::size_t i = 1; i < contexts; i++) threads.emplace_back(serve, i);
  } catch (const std::system_error&) {
    failed = true;
    for (std::size_t i = threads.size(); i < contexts; i++) gate.pass_for_another();  // for this thread too
    for (auto& thread : threads) thread.join();
    throw Error(ErrorCode::kEngineRun, "no thread could be had for context " + std::to_string(threads.size() + 1) + " of " + std::to_string(contexts));
  }
  serve(0);
  for (auto& thread : threads) thread.join();
  for (const auto& failure : failures)
    if (failure) std::rethrow_exception(failure);
  std::vector<Served> all;
  for (const auto& some : served) all.insert(all.end(), some.begin(), some.end());
  std::sort(all.begin(), all.end(), [](const Served& a, const Served& b) { return a.index < b.index; });
  RequestTimes result;
  for (const auto& one : all) {
    result.milliseconds.push_back(milliseconds(one.end - one.start));
    result.wall_milliseconds = std::max(result.wall_milliseconds, milliseconds(one.end - gate.opened()));
  }
  return result;
}

}  // namespace halfscope::ort
