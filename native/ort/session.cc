#include "ort/session.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "core/rounding.h"
#include "metrics/parallel.h"

namespace halfscope::ort {
namespace {

/// Outputs that only make a Compare node a leaf carry this ending; they are always asked for and never handed out.
constexpr const char* kCompareSuffix = "#cmp";

bool ends_with(const std::string& text, const std::string& suffix) {
  return text.size() >= suffix.size() && text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

SessionOptionsHandle make_options(const SessionRequest& request, CustomOpDomain* domain) {
  const auto ok = [](Status* status) { check(status, ErrorCode::kEngineBuild); };
  SessionOptions* raw = nullptr;
  ok(api().CreateSessionOptions(&raw));
  SessionOptionsHandle options(raw);
  ok(api().AddCustomOpDomain(raw, domain));
  ok(api().SetIntraOpNumThreads(raw, request.threads));
  ok(api().SetInterOpNumThreads(raw, 1));
  ok(api().SetSessionExecutionMode(raw, kExecutionSequential));
  ok(api().SetSessionGraphOptimizationLevel(raw, request.optimization));
  // Folding computes Cast pairs ahead of time with other kernels: the bits of the branches would not compare.
  if (request.optimization == kOptimizationBasic)
    ok(api().AddSessionConfigEntry(raw, "optimization.disable_specified_optimizers", "ConstantFolding"));
  if (!request.prepacking) ok(api().AddSessionConfigEntry(raw, "session.disable_prepacking", "1"));
  if (!request.folder.empty())
    ok(api().AddSessionConfigEntry(raw, "session.model_external_initializers_file_folder_path", request.folder.c_str()));
  return options;
}

}  // namespace

/// What one call of Run is given.
struct OrtSession::Bound {
  std::vector<const char*> input_names;
  std::vector<const Value*> inputs;
  std::vector<ValueHandle> owned;
  std::vector<std::string> output_names;
  std::vector<ValueHandle> outputs;

  void add(const std::string& name, ValueHandle value) {
    add(name, value.get());
    owned.push_back(std::move(value));
  }
  void add(const std::string& name, const Value* value) {
    input_names.push_back(name.c_str());
    inputs.push_back(value);
  }
};

OrtSession::OrtSession(SessionRequest request)
    : state_(request.switch_count, request.slot_count, request.decision_count),
      product_op_(state_, static_cast<std::size_t>(std::max(1, request.threads))),
      threads_(static_cast<std::size_t>(std::max(1, request.threads))) {
  const auto ok = [](Status* status) { check(status, ErrorCode::kEngineBuild); };
  for (const auto& weight : request.weights) {
    if (weight.switch_index >= static_cast<std::int64_t>(request.switch_count))
      throw Error(ErrorCode::kEngineBuild, "weight " + weight.name + " names switch " + std::to_string(weight.switch_index) + "; the session has " +
                                               std::to_string(request.switch_count));
  }
  weights_ = open_weights(std::move(request.weights));
  MemoryInfo* memory = nullptr;
  ok(api().CreateCpuMemoryInfo(kDeviceAllocator, kMemoryDefault, &memory));
  memory_.reset(memory);
  CustomOpDomain* domain = nullptr;
  ok(api().CreateCustomOpDomain("halfscope", &domain));
  domain_.reset(domain);
  ok(api().CustomOpDomain_Add(domain, &round_op_));
  ok(api().CustomOpDomain_Add(domain, &compare_op_));
  ok(api().CustomOpDomain_Add(domain, &round_compare_op_));
  ok(api().CustomOpDomain_Add(domain, &differs_op_));
  ok(api().CustomOpDomain_Add(domain, &product_op_));
  const SessionOptionsHandle options = make_options(request, domain);
  Session* session = nullptr;
  ok(api().CreateSessionFromArray(environment(), request.model.data(), request.model.size(), options.get(), &session));
  session_.reset(session);
  inputs_ = list_inputs(session);
  outputs_ = list_outputs(session);
  for (const auto& weight : weights_) {
    if (find(inputs_, weight.input().name) == nullptr)
      throw Error(ErrorCode::kEngineBuild, "weight " + weight.input().name + " is not an input of the graph");
  }
}

const IoInfo* OrtSession::find(const std::vector<IoInfo>& list, const std::string& name) const {
  const auto found = std::find_if(list.begin(), list.end(), [&](const IoInfo& io) { return io.name == name; });
  return found == list.end() ? nullptr : &*found;
}

void OrtSession::require_type(const std::string& name, int element_type) const {
  const IoInfo* io = find(inputs_, name);
  if (io == nullptr) throw Error(ErrorCode::kFeed, "the graph has no input '" + name + "'");
  if (io->element_type != element_type) {
    throw Error(ErrorCode::kFeed, "input '" + name + "' has element type " + std::to_string(io->element_type) + ", the feed has " +
                                      std::to_string(element_type) + " (numbers of TensorProto.DataType)");
  }
}

void OrtSession::set_feed(const std::string& name, Tensor tensor) {
  require_type(name, tensor.element_type);
  auto shared = std::make_shared<const Tensor>(std::move(tensor));
  const std::lock_guard<std::mutex> lock(guard_);
  feeds_[name] = std::move(shared);
  made_.erase(name);
}

void OrtSession::set_made_feed(const std::string& name, const Buffer& model) {
  const IoInfo* io = find(inputs_, name);
  if (io == nullptr) throw Error(ErrorCode::kFeed, "the graph has no input '" + name + "'");
  auto value = make_value(model);
  // What a sequence or an optional may hold, ONNX Runtime says when it runs.
  if (io->element_type != 0) require_type(name, tensor_type(value.get()));
  const std::lock_guard<std::mutex> lock(guard_);
  made_[name] = std::move(value);
  feeds_.erase(name);
}

void OrtSession::clear_feed(const std::string& name) {
  if (find(inputs_, name) == nullptr) throw Error(ErrorCode::kFeed, "the graph has no input '" + name + "'");
  const std::lock_guard<std::mutex> lock(guard_);
  feeds_.erase(name);
  made_.erase(name);
}

void OrtSession::set_reference(const std::string& output, Tensor tensor) {
  if (find(outputs_, output) == nullptr) throw Error(ErrorCode::kFeed, "the graph has no output '" + output + "'");
  if (tensor.element_type != kElementFloat) throw Error(ErrorCode::kFeed, "the reference of '" + output + "' must be float32");
  auto shared = std::make_shared<const Tensor>(std::move(tensor));
  const std::lock_guard<std::mutex> lock(guard_);
  references_[output] = std::move(shared);
}

ValueHandle OrtSession::wrap(const void* data, std::size_t bytes, const std::vector<std::int64_t>& dims, int element_type) const {
  static unsigned char nothing[64];  // an empty tensor still needs an address
  Value* value = nullptr;
  void* address = data == nullptr ? nothing : const_cast<void*>(data);  // inputs are not written: nodes that may work in place copy first
  check(api().CreateTensorWithDataAsOrtValue(memory_.get(), address, bytes, dims.data(), dims.size(), element_type, &value), ErrorCode::kFeed);
  return ValueHandle(value);
}

void OrtSession::add_weights(Bound& bound, const std::vector<std::uint8_t>& switches) {
  for (auto& weight : weights_) {
    const auto& input = weight.input();
    weight.set(input.switch_index < 0 ? 0 : switches[static_cast<std::size_t>(input.switch_index)], threads_);
    bound.add(input.name, wrap(weight.data(), input.bytes, input.dims, kElementFloat));
  }
}

void OrtSession::add_feeds(Bound& bound, const Tensors& feeds) {
  for (const auto& [name, tensor] : feeds) {
    bound.add(name, wrap(tensor->data.data(), tensor->data.size(), tensor->dims, tensor->element_type));
  }
}

std::vector<std::string> OrtSession::requested(const RunRequest& request, const Tensors& references) const {
  std::set<std::string> seen;
  std::vector<std::string> names;
  const auto want = [&](const std::string& name) {
    if (seen.insert(name).second) names.push_back(name);
  };
  for (const auto& name : request.fetch) {
    if (find(outputs_, name) == nullptr) throw Error(ErrorCode::kEngineRun, "the graph has no output '" + name + "' to fetch");
    want(name);
  }
  if (request.compare_outputs)
    for (const auto& [name, tensor] : references) want(name);
  if (state_.slot_count() + state_.decision_count() > 0) {
    for (const auto& io : outputs_)
      if (ends_with(io.name, kCompareSuffix)) want(io.name);
    // All comparisons may be in bodies: then any output makes the graph run.
    if (names.empty() && !outputs_.empty()) want(outputs_.front().name);
  }
  if (names.empty()) throw Error(ErrorCode::kEngineRun, "nothing to do: no output fetched, compared or observed");
  return names;
}

void OrtSession::invoke(Bound& bound) {
  RunOptions* raw = nullptr;
  check(api().CreateRunOptions(&raw), ErrorCode::kEngineRun);
  const RunOptionsHandle options(raw);
  {
    const std::lock_guard<std::mutex> lock(guard_);
    if (cancelled_) throw Error(ErrorCode::kCancelled, "Stopped before the work was done.");
    running_ = raw;
  }
  std::vector<const char*> names;
  for (const auto& name : bound.output_names) names.push_back(name.c_str());
  std::vector<Value*> outputs(names.size(), nullptr);
  Status* status = api().Run(session_.get(), raw, bound.input_names.data(), bound.inputs.data(), bound.inputs.size(), names.data(), names.size(), outputs.data());
  for (Value* output : outputs) bound.outputs.emplace_back(output);
  bool cancelled = false;
  {
    const std::lock_guard<std::mutex> lock(guard_);
    running_ = nullptr;
    cancelled = cancelled_;
  }
  if (cancelled && status != nullptr) {
    api().ReleaseStatus(status);
    status = nullptr;
  }
  check(status, ErrorCode::kEngineRun);
  if (cancelled) throw Error(ErrorCode::kCancelled, "Stopped before the work was done.");
}

bool OrtSession::claim() noexcept {
  if (busy_.exchange(true)) return false;
  const std::lock_guard<std::mutex> lock(guard_);
  cancelled_ = false;
  return true;
}

RunOutcome OrtSession::run(const RunRequest& request) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::uint8_t> switches = request.switches;
  if (switches.empty()) switches.resize(state_.switch_count());
  if (switches.size() != state_.switch_count())
    throw Error(ErrorCode::kEngineRun, "expected " + std::to_string(state_.switch_count()) + " switches, found " + std::to_string(switches.size()));
  if (std::any_of(switches.begin(), switches.end(), [](std::uint8_t s) { return s > kLastSumPosition; }))
    throw Error(ErrorCode::kEngineRun, "a switch is 0 to 7");
  Tensors feeds, references;
  MadeValues made;
  {
    const std::lock_guard<std::mutex> lock(guard_);
    feeds = feeds_;
    made = made_;
    references = references_;
  }
  state_.begin(switches);
  Bound bound;
  bound.output_names = requested(request, references);
  add_weights(bound, switches);
  add_feeds(bound, feeds);
  for (const auto& [name, value] : made) bound.add(name, value.get());
  invoke(bound);

  RunOutcome outcome;
  const std::set<std::string> fetched(request.fetch.begin(), request.fetch.end());
  for (std::size_t i = 0; i < bound.output_names.size(); i++) {
    const auto& name = bound.output_names[i];
    const auto reference = references.find(name);
    const bool compare = request.compare_outputs && reference != references.end();
    if (!compare && fetched.count(name) == 0) continue;
    if (compare) {
      const TensorView tensor = view(bound.outputs[i].get(), ErrorCode::kEngineRun);
      const Tensor& expected = *reference->second;
      if (tensor.element_type != kElementFloat || tensor.dims != expected.dims) {
        throw Error(ErrorCode::kEngineRun, "output '" + name + "' is of type " + std::to_string(tensor.element_type) + " and shape " +
                                               to_string(tensor.dims) + "; its reference is float32 " + to_string(expected.dims));
      }
      outcome.output_stats.emplace_back(name, compare_tensors(expected.data.data(), tensor.data, tensor.count, threads_));
    }
    if (fetched.count(name) != 0) {
      auto value = copy_value(bound.outputs[i].get());
      if (!value) {
        outcome.not_fetched.push_back(name);
      } else if (value->sequence) {
        outcome.sequences.emplace_back(name, std::move(value->tensors));
      } else {
        outcome.outputs.emplace_back(name, std::move(value->tensors.front()));
      }
    }
    bound.outputs[i].reset();
  }
  outcome.collected = state_.take();
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return outcome;
}

void OrtSession::terminate() noexcept {
  if (!busy_) return;
  const std::lock_guard<std::mutex> lock(guard_);
  cancelled_ = true;
  if (running_ != nullptr) {
    Status* status = api().RunOptionsSetTerminate(running_);
    if (status != nullptr) api().ReleaseStatus(status);
  }
}

}  // namespace halfscope::ort
