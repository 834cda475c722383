#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tensorrt/runtime/lane.h"
#include "tensorrt/runtime/lingering_thread.h"
#include "tensorrt/runtime/pending_request.h"

namespace halfscope::trt {

struct TimeRequest {
  int profile = 0;
  std::size_t warmup = 10;
  std::size_t requests = 100;
  /// 0: no limit.
  double max_milliseconds = 0;
  std::size_t contexts = 1;
};

struct Times {
  std::vector<double> milliseconds;         ///< from handing in the inputs to having the outputs
  std::vector<double> device_milliseconds;  ///< the engine alone
  double wall_milliseconds = 0;
};

/// An engine with what its runs need. Safe from several threads: they take turns.
class RunningEngine {
 public:
  /// `unfused`: it was built to show tensors where fusion left them.
  RunningEngine(std::unique_ptr<Engine> engine, bool unfused) : engine_(std::move(engine)), unfused_(unfused) {}
  ~RunningEngine();

  Engine& engine() noexcept { return *engine_; }
  bool shows_unfused() const noexcept { return unfused_; }
  /// Whether a run may show it on its way.
  bool may_show(const std::string& name) const noexcept { return unfused_ || engine_->is_debug_tensor(name.c_str()); }
  /// One request. `into` names memory for the outputs of `fetch`, in their order, where they fit it.
  std::vector<HostTensor> run(int profile, const Feed& feed, const std::vector<std::string>& fetch, const std::vector<Target>& into = {});
  /// The same on the engine's own thread, which stays awake for a while after a request. What feed and `into` point at lives until `request` is done. Throws
  /// std::system_error where there is no thread to be had: nothing was begun then.
  void begin(const std::shared_ptr<PendingRequest>& request, int profile, Feed feed, std::vector<std::string> fetch, std::vector<Target> into);
  /// The same request again and again, `fetch` copied out each time. Throws Error (kCancelled) when `cancelled` turns true.
  Times time(const TimeRequest& request, const Feed& feed, const std::vector<std::string>& fetch, const std::atomic<bool>& cancelled);
  /// Engine layers in the order they run, with the mean milliseconds of `runs` requests.
  std::vector<std::pair<std::string, double>> profile(int profile, const Feed& feed, int runs, const std::atomic<bool>& cancelled);

  /// For comparisons: hold the mutex while a lane is in use.
  std::mutex& guard() noexcept { return guard_; }
  /// The `number`th context for this profile, made when it is first asked for. With the mutex held.
  Lane& lane(int profile, std::size_t number = 0);

 private:
  std::mutex guard_;
  std::mutex beginning_;
  std::unique_ptr<Engine> engine_;
  bool unfused_;
  std::map<int, std::vector<std::unique_ptr<Lane>>> lanes_;  // after engine_: destroyed first
  std::unique_ptr<LingeringThread> requests_;                // its work uses all of the above
};

}  // namespace halfscope::trt
