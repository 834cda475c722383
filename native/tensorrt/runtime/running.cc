#include "tensorrt/runtime/running.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <thread>

namespace halfscope::trt {
namespace {

using Clock = std::chrono::steady_clock;
double milliseconds_since(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

std::vector<std::size_t> find_outputs(const Lane& lane, const std::vector<std::string>& names) {
  std::vector<std::size_t> found;
  for (const auto& name : names) {
    const std::size_t index = lane.find_output(name);
    if (index == Lane::kNone) throw Error(ErrorCode::kEngineRun, "the engine has no output \"" + name + "\"");
    found.push_back(index);
  }
  return found;
}

void stop_if(const std::atomic<bool>& cancelled) {
  if (cancelled) throw Error(ErrorCode::kCancelled, "the requests were cancelled");
}

/// Threads wait here until all have come, or one has failed.
class Start {
 public:
  explicit Start(std::size_t threads) : missing_(threads) {}
  void arrive() {
    std::unique_lock<std::mutex> lock(guard_);
    if (missing_ == 0) return;  // somebody gave up
    if (--missing_ == 0) {
      begun_ = Clock::now();
      all_here_.notify_all();
      return;
    }
    all_here_.wait(lock, [&] { return missing_ == 0; });
  }
  /// A thread that never arrives lets the others go.
  void give_up() {
    const std::lock_guard<std::mutex> lock(guard_);
    missing_ = 0;
    begun_ = Clock::now();
    all_here_.notify_all();
  }
  Clock::time_point begun() const { return begun_; }

 private:
  std::mutex guard_;
  std::condition_variable all_here_;
  std::size_t missing_;
  Clock::time_point begun_{};
};

}  // namespace

RunningEngine::~RunningEngine() {
  requests_.reset();
  const std::lock_guard<std::mutex> lock(guard_);
  try {
    cuda::use_device();
  } catch (...) {
    // The owners below try again by themselves.
  }
  lanes_.clear();
  engine_.reset();
}

Lane& RunningEngine::lane(int profile, std::size_t number) {
  if (profile < 0 || profile >= std::max(1, engine_->profiles())) {
    throw Error(ErrorCode::kEngineRun, "the engine has " + std::to_string(engine_->profiles()) + " profiles, asked for number " + std::to_string(profile + 1));
  }
  auto& lanes = lanes_[profile];
  while (lanes.size() <= number) lanes.push_back(std::make_unique<Lane>(*engine_, profile));
  return *lanes[number];
}

std::vector<HostTensor> RunningEngine::run(int profile, const Feed& feed, const std::vector<std::string>& fetch, const std::vector<Target>& into) {
  const std::lock_guard<std::mutex> lock(guard_);
  cuda::use_device();
  Lane& used = lane(profile);
  const auto outputs = find_outputs(used, fetch);
  used.prepare(feed);
  used.launch(feed);
  used.finish(outputs);
  std::vector<HostTensor> values;
  for (std::size_t i = 0; i < outputs.size(); i++) values.push_back(used.take(outputs[i], i < into.size() ? into[i] : Target()));
  return values;
}

void RunningEngine::begin(const std::shared_ptr<PendingRequest>& request, int profile, Feed feed, std::vector<std::string> fetch, std::vector<Target> into) {
  // Longer than JavaScript takes from one answer to its next request.
  constexpr std::chrono::microseconds kLinger(200);
  auto work = [this, request, profile, feed = std::move(feed), fetch = std::move(fetch), into = std::move(into)] {
    request->fulfil([&] { return run(profile, feed, fetch, into); });
  };
  const std::lock_guard<std::mutex> lock(beginning_);
  if (!requests_) requests_ = std::make_unique<LingeringThread>(kLinger);
  requests_->submit(std::move(work));
}

Times RunningEngine::time(const TimeRequest& request, const Feed& feed, const std::vector<std::string>& fetch, const std::atomic<bool>& cancelled) {
  constexpr std::size_t kAtLeast = 5;
  const std::lock_guard<std::mutex> lock(guard_);
  cuda::use_device();
  const std::size_t contexts = std::max<std::size_t>(1, request.contexts);
  std::vector<Lane*> used;
  for (std::size_t i = 0; i < contexts; i++) used.push_back(&lane(request.profile, i));
  const auto outputs = find_outputs(*used[0], fetch);
  std::vector<double> wall(request.requests, -1), device(request.requests, -1);
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
  std::mutex failing;
  Start start(contexts);

  const auto serve = [&](Lane& mine, std::size_t warmup) {
    try {
      cuda::use_device();
      const cuda::Event before(true), after(true);
      const auto one = [&] {
        stop_if(cancelled);
        mine.prepare(feed);
        mine.launch(feed, &before, &after);
        mine.finish(outputs);
      };
      for (std::size_t i = 0; i < warmup && !failed; i++) one();
      start.arrive();
      for (std::size_t i = next++; i < request.requests && !failed; i = next++) {
        if (i >= kAtLeast && request.max_milliseconds > 0 && milliseconds_since(start.begun()) > request.max_milliseconds) break;
        const auto from = Clock::now();
        one();
        wall[i] = milliseconds_since(from);
        device[i] = after.since(before);
      }
    } catch (...) {
      const std::lock_guard<std::mutex> failing_lock(failing);
      if (!failure) failure = std::current_exception();
      failed = true;
      start.give_up();
    }
  };

  std::vector<std::thread> threads;
  const std::size_t warmup = (request.warmup + contexts - 1) / contexts;
  try {
    for (std::size_t i = 1; i < contexts; i++) threads.emplace_back(serve, std::ref(*used[i]), warmup);
  } catch (const std::system_error&) {
    failed = true;
    failure = std::make_exception_ptr(Error(ErrorCode::kEngineRun, "no more threads to be had for " + std::to_string(contexts) + " contexts"));
    start.give_up();
  }
  serve(*used[0], warmup);
  for (auto& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  Times times;
  times.wall_milliseconds = milliseconds_since(start.begun());
  for (std::size_t i = 0; i < wall.size(); i++) {
    if (wall[i] < 0) continue;
    times.milliseconds.push_back(wall[i]);
    times.device_milliseconds.push_back(device[i]);
  }
  return times;
}

std::vector<std::pair<std::string, double>> RunningEngine::profile(int profile, const Feed& feed, int runs, const std::atomic<bool>& cancelled) {
  const std::lock_guard<std::mutex> lock(guard_);
  cuda::use_device();
  // A context of its own: one that has a profiler waits after every layer.
  Lane mine(*engine_, profile);
  mine.prepare(feed);
  mine.launch(feed);
  mine.finish({});
  Failure failure;
  if (!mine.context().record_layer_times(true, failure)) raise(failure);
  std::vector<std::pair<std::string, double>> means;
  for (int r = 0; r < runs; r++) {
    stop_if(cancelled);
    mine.launch(feed);
    mine.finish({});
    const auto times = mine.context().take_layer_times();
    if (means.empty()) {
      for (const auto& [name, time] : times) means.emplace_back(name, 0);
    }
    for (std::size_t i = 0; i < times.size() && i < means.size(); i++) means[i].second += static_cast<double>(times[i].second) / runs;
  }
  return means;
}

}  // namespace halfscope::trt
