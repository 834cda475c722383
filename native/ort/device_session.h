#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/buffer.h"
#include "metrics/error_stats.h"
#include "ort/cancellation.h"
#include "ort/library.h"
#include "ort/providers.h"
#include "ort/session_log.h"
#include "ort/shape.h"
#include "ort/values.h"

namespace halfscope::ort {

struct DeviceSessionRequest {
  Buffer model;                                             ///< a serialised ModelProto
  std::string folder;                                       ///< where its external data may lie; empty for none
  int threads = 0;                                          ///< inside one operator on the CPU; 0 leaves it to ONNX Runtime
  int optimization = kOptimizationAll;
  std::vector<Provider> providers;                          ///< in the order in which they choose nodes; the CPU's is always last
  std::vector<std::pair<std::string, std::string>> config;  ///< session configuration entries
  std::string profile;                                      ///< start of the file name of a profile; empty for none
};

/// One input of a request: a tensor, or the model that makes what the C API gives no memory for (see make_value).
struct DeviceInput {
  std::string name;
  Tensor tensor;
  std::shared_ptr<const Value> made;
};
using DeviceInputs = std::vector<DeviceInput>;

struct DeviceOutputs {
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::vector<std::string> not_fetched;  ///< sequences, maps, optionals
};

struct TimeRequest {
  std::vector<std::string> fetch;
  std::size_t warmup = 10;    ///< per context
  std::size_t requests = 100; ///< over all contexts
  std::size_t contexts = 1;
  double max_milliseconds = 0;  ///< 0: no limit; at least kLeastRequests are timed all the same
};
constexpr std::size_t kLeastRequests = 5;

struct RequestTimes {
  std::vector<double> milliseconds;
  double wall_milliseconds = 0;
};

/// A session as users of ONNX Runtime have it: optimised, prepacked, none of halfscope's operators. Any number of requests at once, each with inputs of its own.
class DeviceSession {
 public:
  /// Throws Error: kBackendUnavailable where a provider does not load, kEngineBuild with ONNX Runtime's text.
  explicit DeviceSession(DeviceSessionRequest request);
  DeviceSession(const DeviceSession&) = delete;
  DeviceSession& operator=(const DeviceSession&) = delete;

  const std::vector<IoInfo>& inputs() const noexcept { return inputs_; }
  const std::vector<IoInfo>& outputs() const noexcept { return outputs_; }
  const SessionLog& log() const noexcept { return *log_; }

  /// The outputs by name, as ONNX Runtime gave them. Throws Error (kFeed, kEngineRun, kCancelled).
  std::vector<ValueHandle> invoke(const DeviceInputs& inputs, const std::vector<std::string>& fetch, Cancellation& cancellation);
  DeviceOutputs run(const DeviceInputs& inputs, const std::vector<std::string>& fetch, Cancellation& cancellation);

  /// The same request again and again, on `contexts` threads. Outputs are freed as they come: nothing is copied that a request does not copy.
  RequestTimes time(const DeviceInputs& inputs, const TimeRequest& request, Cancellation& cancellation);

  /// Writes the profile and stops profiling. Path of the file; empty without one.
  std::string end_profiling();

 private:
  ValueHandle wrap(const Tensor& tensor) const;
  void require_input(const DeviceInput& input) const;

  std::unique_ptr<SessionLog> log_ = std::make_unique<SessionLog>();
  MemoryInfoHandle memory_;
  SessionHandle session_;
  std::vector<IoInfo> inputs_;
  std::vector<IoInfo> outputs_;
  bool profiling_ = false;
};

/// One output of two sessions.
struct ComparedOutput {
  std::string name;
  ErrorStats stats;
  std::string reason;  ///< why there are no statistics; empty where there are
};

/// Runs both on their inputs, one behind the other, and compares the outputs of these names without copying them.
std::vector<ComparedOutput> compare_sessions(DeviceSession& reference, const DeviceInputs& reference_inputs, DeviceSession& candidate,
                                             const DeviceInputs& candidate_inputs, const std::vector<std::string>& names, Cancellation& cancellation);

}  // namespace halfscope::ort
