#include "tensorrt/runtime/compare_streamed.h"

#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <set>

namespace halfscope::trt {
namespace {

/// A tensor as a run gave it, wherever it lies.
struct Shown {
  int type = 0;
  Dims dims;
  std::size_t bytes = 0;
  Buffer values;
};

/// Gets each tensor that is named, once, as long as the run lasts.
class Listener final : public DebugSink {
 public:
  using Receive = std::function<void(const std::string& name, int type, const Dims& dims, const void* values)>;
  /// Without `fetch` only types and shapes are looked at.
  Listener(std::set<std::string> names, bool fetch, Receive receive) : names_(std::move(names)), fetch_(fetch), receive_(std::move(receive)) {}

  bool see(const SeenTensor& tensor) noexcept override {
    try {
      // In a loop it is shown each time round; the first is what is compared.
      if (failure_ || names_.erase(tensor.name) == 0) return true;
      const std::size_t bytes = is_open(tensor.dims) ? 0 : element_count(tensor.dims) * element_bytes(tensor.type);
      if (!fetch_ || bytes == 0) {
        receive_(tensor.name, tensor.type, tensor.dims, nullptr);
      } else if (tensor.on_host) {
        receive_(tensor.name, tensor.type, tensor.dims, tensor.address);
      } else {
        staging_.reserve(bytes);
        cuda::copy_to_host_now(staging_.data(), tensor.address, bytes, tensor.stream);
        receive_(tensor.name, tensor.type, tensor.dims, staging_.data());
      }
      return true;
    } catch (...) {
      failure_ = std::current_exception();
      return false;
    }
  }

  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::set<std::string> names_;
  bool fetch_;
  Receive receive_;
  cuda::PinnedBuffer staging_;
  std::exception_ptr failure_;
};

/// While it lives, runs of the context show these tensors to the listener.
class Watching {
 public:
  Watching(Context& context, Listener& listener, const std::set<std::string>& names, bool unfused) : context_(context), unfused_(unfused), on_(!names.empty()) {
    Failure failure;
    if (on_ && !context_.observe(&listener, {names.begin(), names.end()}, unfused_, failure)) raise(failure);
  }
  Watching(const Watching&) = delete;
  Watching& operator=(const Watching&) = delete;
  ~Watching() {
    Failure ignored;
    if (on_) context_.observe(nullptr, {}, unfused_, ignored);
  }

 private:
  Context& context_;
  bool unfused_, on_;
};

/// Runs one side and hands its tensors to `receive`: those shown on their way as they come, outputs afterwards.
void run_and_show(const Side& side, const std::set<std::string>& names, bool fetch, const Listener::Receive& receive) {
  std::set<std::string> shown;
  std::vector<std::size_t> outputs;
  for (const auto& name : names) {
    const std::size_t index = side.lane.find_output(name);
    if (index != Lane::kNone) outputs.push_back(index);
    else shown.insert(name);
  }
  Listener listener(shown, fetch, receive);
  try {
    const Watching watching(side.lane.context(), listener, shown, side.engine.shows_unfused());
    side.lane.launch(side.feed);
    side.lane.finish(fetch ? outputs : std::vector<std::size_t>{});
  } catch (...) {
    listener.rethrow();  // the cause, where the listener is
    throw;
  }
  listener.rethrow();
  for (const std::size_t index : outputs) {
    const auto output = side.lane.output(index);
    if (!fetch) {
      receive(output.io->name, output.io->type, output.dims, nullptr);
      continue;
    }
    const HostTensor tensor = side.lane.take(index);
    receive(tensor.name, tensor.type, tensor.dims, tensor.data.data());
  }
}

std::size_t bytes_of_shape(int type, const Dims& dims) { return is_open(dims) ? 0 : element_count(dims) * element_bytes(type); }

}  // namespace

void compare_streamed(const Side& reference, const Side& candidate, const std::vector<std::string>& names, std::size_t group_bytes, Comparison& comparison,
                      std::atomic<std::size_t>& done, const std::atomic<bool>& cancelled) {
  // First only what there is, and how large.
  std::map<std::string, std::size_t> sizes;
  run_and_show(reference, {names.begin(), names.end()}, false,
               [&](const std::string& name, int type, const Dims& dims, const void*) { sizes[name] = bytes_of_shape(type, dims); });
  std::vector<std::string> there;
  for (const auto& name : names) {
    if (sizes.count(name) > 0) there.push_back(name);
    else comparison.not_compared.push_back({name, "the reference engine did not show it: it was fused away, or lies in a branch that did not run"});
  }
  for (std::size_t from = 0; from < there.size();) {
    if (cancelled) throw Error(ErrorCode::kCancelled, "the comparison was cancelled");
    std::set<std::string> group;
    std::size_t total = 0, to = from;
    while (to < there.size() && (group.empty() || total + sizes[there[to]] <= group_bytes)) {
      total += sizes[there[to]];
      group.insert(there[to++]);
    }
    std::map<std::string, Shown> kept;
    run_and_show(reference, group, true, [&](const std::string& name, int type, const Dims& dims, const void* values) {
      Shown shown{type, dims, bytes_of_shape(type, dims), Buffer(bytes_of_shape(type, dims))};
      if (shown.bytes > 0 && values != nullptr) std::memcpy(shown.values.data(), values, shown.bytes);
      kept[name] = std::move(shown);
    });
    std::map<std::string, ErrorStats> stats;
    std::map<std::string, std::string> reasons;
    run_and_show(candidate, group, true, [&](const std::string& name, int type, const Dims& dims, const void* values) {
      const auto twin = kept.find(name);
      if (twin == kept.end()) return;
      const std::string reason = pairing_obstacle(twin->second.type, twin->second.dims, type, dims);
      if (!reason.empty()) reasons[name] = reason;
      else stats[name] = compare_values(twin->second.type, twin->second.values.data(), type, values, element_count(dims));
    });
    for (; from < to; from++, done++) {
      const auto& name = there[from];
      const auto found = stats.find(name);
      if (found != stats.end()) {
        comparison.names.push_back(name);
        comparison.stats.push_back(found->second);
      } else {
        const auto reason = reasons.find(name);
        comparison.not_compared.push_back(
            {name, reason != reasons.end() ? reason->second : "the candidate engine did not show it: it was fused away, or lies in a branch that did not run"});
      }
    }
  }
}

}  // namespace halfscope::trt
