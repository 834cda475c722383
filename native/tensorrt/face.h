#pragma once

// What the addon knows of TensorRT: nothing of NVIDIA's headers, whose inline functions have the same names in all major versions. Each major version is compiled
// into a module of its own (halfscope-tensorrt-<major>.so) that implements these classes and is opened when it is asked for; addon and modules are built together by
// one compiler. No exception crosses: functions that can fail say so and fill a Failure.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/buffer.h"
#include "core/error.h"

namespace halfscope::trt {

/// Changes with this file; a module of another number is refused.
constexpr int kFaceVersion = 2;

/// -1 is a size that is open.
using Dims = std::vector<std::int64_t>;

struct Failure {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

enum class Severity { kInternalError = 0, kError = 1, kWarning = 2, kInfo = 3 };

/// One thing that TensorRT said, however often it said it.
struct Message {
  Severity severity = Severity::kInfo;
  std::string text;
  std::int64_t count = 0;
};

/// An input or output of an engine. Types are ONNX's numbers (TensorProto.DataType), 0 for one that ONNX has not.
struct IoTensor {
  std::string name;
  int type = 0;
  Dims dims;
  bool input = false;
  /// Holds sizes: read from, or written to, the host's memory.
  bool on_host = false;
};

enum class Precision { kFull, kTyped, kWeak };
enum class Constraints { kNone, kPrefer, kObey };
enum class Observe { kOutputs, kDebug, kUnfused };

/// One layer's type in a weakly typed network.
struct Pin {
  std::string node;
  bool half = false;
};

/// Sizes of one input, or the values of one that holds sizes.
struct Range {
  std::string input;
  Dims min, opt, max;
};
using Profile = std::vector<Range>;

/// Memory that the builder may give out, and that kernels it chooses may ask for.
enum class Pool { kWorkspace, kTacticDram, kTacticSharedMemory };

struct PoolLimit {
  Pool pool = Pool::kWorkspace;
  std::uint64_t bytes = 0;
};

struct BuildRequest {
  /// ONNX file. External data lies beside it.
  std::string path;
  /// ModelProto bytes to read instead of the file; `path` then only says where external data lies.
  Buffer model;
  Precision precision = Precision::kFull;
  /// For kWeak: ONNX's number of the half type, 10 or 16.
  int half = 10;
  Constraints constraints = Constraints::kNone;
  std::vector<Pin> pins;
  std::vector<std::string> observe;
  Observe how = Observe::kOutputs;
  /// For kWeak: layers whose tensors are observed are asked for in the half type, else the builder may leave them in FP32.
  bool prefer_half = false;
  /// For kWeak: constants in front of pinned layers get a precision too, not the layers between alone.
  bool type_constants = false;
  std::vector<Profile> profiles;
  std::vector<PoolLimit> pools;  ///< those that are not named keep the library's default
  int optimization_level = -1;   ///< -1: the library's default
  bool strict_nans = false;
  bool tf32 = false;
  Buffer timing_cache;
  bool use_timing_cache = false;
};

struct NotObserved {
  std::string tensor;
  std::string reason;
};

struct BuildOutcome {
  Buffer plan;
  Buffer timing_cache;
  std::vector<std::string> outputs;   ///< the model's own
  std::vector<std::string> observed;  ///< marked besides
  std::vector<NotObserved> not_observed;
  /// Pins whose node is no layer of the network.
  std::vector<std::string> pins_not_found;
  std::vector<Message> messages;
  double seconds = 0;
};

struct NetworkTensor {
  std::string name;
  int type = 0;
  Dims dims;
  bool shape_tensor = false;
  /// Names of open sizes, where the file gives some; as long as dims.
  std::vector<std::string> symbols;
};

struct NetworkLayer {
  std::string name;
  std::string node;  ///< the ONNX node that it computes, or a part of; empty for what the parser added
  int type = 0;  ///< nvinfer1::LayerType
  std::vector<NetworkTensor> outputs;
};

struct NetworkDescription {
  std::vector<NetworkTensor> inputs, outputs;
  std::vector<NetworkLayer> layers;
  std::vector<Message> messages;
};

/// Told of a build's progress, from the thread that builds.
class BuildWatch {
 public:
  virtual ~BuildWatch() = default;
  virtual void phase(const char* name, const char* parent, int steps) noexcept = 0;
  /// False: stop.
  virtual bool step(const char* name, int done) noexcept = 0;
  virtual void end(const char* name) noexcept = 0;
  virtual bool cancelled() const noexcept = 0;
};

/// Memory for outputs whose size only the run tells.
class OutputSink {
 public:
  virtual ~OutputSink() = default;
  /// nullptr: there is none.
  virtual void* grow(const char* name, std::size_t bytes) noexcept = 0;
  virtual void shape(const char* name, const Dims& dims) noexcept = 0;
};

/// A tensor seen on its way. `address` is only valid until the call returns; what it reads must be queued on `stream` and waited for.
struct SeenTensor {
  const char* name = nullptr;
  const void* address = nullptr;
  bool on_host = false;
  int type = 0;
  Dims dims;
  void* stream = nullptr;
};

class DebugSink {
 public:
  virtual ~DebugSink() = default;
  /// False: an error, the run ends.
  virtual bool see(const SeenTensor& tensor) noexcept = 0;
};

/// One execution context. Of one thread at a time.
class Context {
 public:
  virtual ~Context() = default;
  virtual bool set_profile(int index, void* stream, Failure& failure) noexcept = 0;
  virtual bool set_input_shape(const char* name, const Dims& dims, Failure& failure) noexcept = 0;
  virtual bool set_address(const char* name, void* data, Failure& failure) noexcept = 0;
  virtual bool set_output_sink(const char* name, OutputSink* sink, Failure& failure) noexcept = 0;
  /// Fails with the names of inputs that lack a shape.
  virtual bool infer_shapes(Failure& failure) noexcept = 0;
  /// Sizes for the inputs' shapes; -1 where only the run tells.
  virtual Dims shape(const char* name) noexcept = 0;
  virtual bool enqueue(void* stream, Failure& failure) noexcept = 0;
  /// Appends each layer's milliseconds to a list while `on`.
  virtual bool record_layer_times(bool on, Failure& failure) noexcept = 0;
  virtual std::vector<std::pair<std::string, float>> take_layer_times() noexcept = 0;
  /// `names` empty: all debug tensors; a sink of nullptr: none. Nobody is told after a failure.
  virtual bool observe(DebugSink* sink, const std::vector<std::string>& names, bool unfused, Failure& failure) noexcept = 0;
};

/// A built engine. Safe from several threads.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual const std::vector<IoTensor>& io() const noexcept = 0;
  virtual int profiles() const noexcept = 0;
  /// Whether it can be seen on its way (Observe::kDebug); those of kUnfused cannot be told.
  virtual bool is_debug_tensor(const char* name) const noexcept = 0;
  virtual std::uint64_t memory_bytes() const noexcept = 0;
  virtual std::unique_ptr<Context> create_context(Failure& failure) noexcept = 0;
  /// The inspector's JSON, sizes as of the first profile.
  virtual bool inspect(std::string& json, Failure& failure) noexcept = 0;
  virtual bool serialize(Buffer& plan, Failure& failure) noexcept = 0;
  virtual std::vector<Message> messages() const = 0;
};

struct LibraryCapabilities {
  bool weak = false, typed = false, debug_tensors = false, unfused_tensors = false, strict_nans = false, progress = false;
};

/// TensorRT itself, loaded. Lives as long as the process.
class Library {
 public:
  virtual ~Library() = default;
  virtual const std::string& version() const noexcept = 0;
  virtual const std::string& path() const noexcept = 0;
  virtual const LibraryCapabilities& capabilities() const noexcept = 0;
  /// Path of the library of plugins, which few models need; empty where there is none.
  virtual const std::string& plugins() const noexcept = 0;
  /// Why there is none.
  virtual const std::string& plugins_missing() const noexcept = 0;
  virtual bool describe(const BuildRequest& request, NetworkDescription& description, Failure& failure) noexcept = 0;
  virtual bool build(const BuildRequest& request, BuildWatch& watch, BuildOutcome& outcome, Failure& failure) noexcept = 0;
  /// Two timing caches as one; of different GPUs, the newer.
  virtual bool merge_caches(const Buffer& older, const Buffer& newer, Buffer& merged, Failure& failure) noexcept = 0;
  virtual std::unique_ptr<Engine> load(const void* plan, std::size_t bytes, Failure& failure) noexcept = 0;
};

/// What a module exports as `halfscope_tensorrt_module`.
struct ModuleEntry {
  int face_version;
  int major;
  /// Of the headers that it was compiled with: "10.16.1".
  const char* headers;
  /// `folder` empty: by the system's loader. Throws nothing; nullptr with a Failure (kBackendUnavailable).
  Library* (*open)(const std::string& folder, Failure& failure) noexcept;
};

}  // namespace halfscope::trt
