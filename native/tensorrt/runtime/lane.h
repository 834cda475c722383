#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tensorrt/cuda/memory.h"
#include "tensorrt/face.h"
#include "tensorrt/runtime/tensor.h"

namespace halfscope::trt {

/// One execution context for one optimisation profile, with a stream and buffers of its own. Shapes are set when they change, buffers only grow. Of one thread at a
/// time, which has called cuda::use_device().
class Lane {
 public:
  /// Throws Error (kEngineRun).
  Lane(Engine& engine, int profile);
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane();

  /// Fits shapes, buffers and addresses to the feed. Throws Error: kFeed for one that does not fit the engine.
  void prepare(const Feed& feed);
  /// Queues the inputs' copies, then the engine; `start` and `end` lie around the engine alone.
  void launch(const Feed& feed, const cuda::Event* start = nullptr, const cuda::Event* end = nullptr);
  /// Queues copies of these outputs into pinned memory and waits for everything.
  void finish(const std::vector<std::size_t>& outputs);
  /// After finish(). Into `target` where the output has its size.
  HostTensor take(std::size_t output, const Target& target = {}) const;

  /// An output as it lies on the device after the run; shapes that only the run tells are known then.
  struct Output {
    const IoTensor* io;
    const void* data;
    Dims dims;
    std::size_t bytes;
    bool on_host;
  };
  /// Index of an output in the engine's io; kNone for other names.
  std::size_t find_output(const std::string& name) const;
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  Output output(std::size_t index) const;

  const cuda::Stream& stream() const noexcept { return stream_; }
  Context& context() noexcept { return *context_; }

 private:
  struct Slot;
  void bind(Slot& slot, void* address);
  void feed_input(Slot& slot, const FeedTensor& tensor);
  void fit_outputs();

  Engine& engine_;
  cuda::Stream stream_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::unordered_map<std::string, std::size_t> outputs_;
  bool stale_ = true;  ///< shapes changed since the outputs were fitted
  std::unique_ptr<Context> context_;
};

}  // namespace halfscope::trt
