#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/buffer.h"
#include "ort/custom_ops.h"
#include "ort/library.h"
#include "ort/product_op.h"
#include "ort/session_state.h"
#include "ort/shape.h"
#include "ort/values.h"
#include "ort/weights.h"

namespace halfscope::ort {

struct SessionRequest {
  Buffer model;          ///< a serialised ModelProto
  std::string folder;    ///< where its external data may lie; empty for none
  int threads = 1;       ///< inside one operator
  int optimization = kOptimizationDisabled;
  bool prepacking = false;
  std::size_t switch_count = 0;
  std::size_t slot_count = 0;
  std::size_t decision_count = 0;
  std::vector<WeightInput> weights;
};

struct RunRequest {
  std::vector<std::uint8_t> switches;  ///< empty: all off
  std::vector<std::string> fetch;
  bool compare_outputs = false;
};

struct RunOutcome {
  std::vector<std::pair<std::string, Tensor>> outputs;
  std::vector<std::pair<std::string, std::vector<Tensor>>> sequences;
  std::vector<std::string> not_fetched;  ///< asked for, but nothing that can be handed out
  Collected collected;
  std::vector<std::pair<std::string, ErrorStats>> output_stats;
  double seconds = 0;  ///< weights switched, graph run, outputs compared and copied
};

/// One ONNX Runtime session with its switches, collector, feeds and weights. Held by shared_ptr: the JS object has one reference, a run another.
class OrtSession {
 public:
  /// Throws Error (kEngineBuild) with ONNX Runtime's text.
  explicit OrtSession(SessionRequest request);
  OrtSession(const OrtSession&) = delete;
  OrtSession& operator=(const OrtSession&) = delete;

  const std::vector<IoInfo>& inputs() const noexcept { return inputs_; }
  const std::vector<IoInfo>& outputs() const noexcept { return outputs_; }

  /// Feeds and references persist over runs; changing one while a run is under way touches the next run only. Throw Error (kFeed).
  void set_feed(const std::string& name, Tensor tensor);
  /// Feeds what a model without inputs makes, see make_value.
  void set_made_feed(const std::string& name, const Buffer& model);
  /// Feeds nothing: an optional input is absent then. A value that is an absent optional must not be fed, ONNX Runtime would look into it.
  void clear_feed(const std::string& name);
  void set_reference(const std::string& output, Tensor tensor);

  /// Claims the session for one run, on the thread that asks; false when a run is under way already.
  bool claim() noexcept;
  void unclaim() noexcept { busy_ = false; }

  /// Runs once; claim() first, unclaim() after. Throws Error (kEngineRun, kFeed, kCancelled).
  RunOutcome run(const RunRequest& request);

  /// Stops the run that is under way (or claimed); it ends in kCancelled. From any thread.
  void terminate() noexcept;

  std::uint64_t compares_done() const noexcept { return state_.compares_done(); }

 private:
  using Tensors = std::map<std::string, std::shared_ptr<const Tensor>>;
  using MadeValues = std::map<std::string, std::shared_ptr<const Value>>;
  struct Bound;
  void add_weights(Bound& bound, const std::vector<std::uint8_t>& switches);
  void add_feeds(Bound& bound, const Tensors& feeds);
  std::vector<std::string> requested(const RunRequest& request, const Tensors& references) const;
  void require_type(const std::string& name, int element_type) const;
  const IoInfo* find(const std::vector<IoInfo>& list, const std::string& name) const;
  ValueHandle wrap(const void* data, std::size_t bytes, const std::vector<std::int64_t>& dims, int element_type) const;
  void invoke(Bound& bound);

  // Declared in the order of dependence: what comes later uses what comes before and is destroyed first.
  SessionState state_;
  RoundOp round_op_{state_};
  CompareOp compare_op_{state_};
  RoundCompareOp round_compare_op_{state_};
  DiffersOp differs_op_{state_};
  ProductOp product_op_;
  std::vector<Weight> weights_;
  std::size_t threads_;
  MemoryInfoHandle memory_;
  DomainHandle domain_;
  SessionHandle session_;
  std::vector<IoInfo> inputs_;
  std::vector<IoInfo> outputs_;

  std::atomic<bool> busy_{false};
  std::mutex guard_;  // the five below
  Tensors feeds_;
  MadeValues made_;
  Tensors references_;
  RunOptions* running_ = nullptr;
  bool cancelled_ = false;
};

}  // namespace halfscope::ort
