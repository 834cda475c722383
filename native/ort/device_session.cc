#include "ort/device_session.h"

#include <algorithm>

#include "metrics/parallel.h"

namespace halfscope::ort {
namespace {

SessionOptionsHandle make_options(const DeviceSessionRequest& request, SessionLog* log) {
  const auto ok = [](Status* status) { check(status, ErrorCode::kEngineBuild); };
  SessionOptions* raw = nullptr;
  ok(api().CreateSessionOptions(&raw));
  SessionOptionsHandle options(raw);
  ok(api().SetIntraOpNumThreads(raw, request.threads));
  ok(api().SetSessionGraphOptimizationLevel(raw, request.optimization));
  ok(api().SetUserLoggingFunction(raw, &SessionLog::add, log));
  ok(api().SetSessionLogSeverityLevel(raw, kLogWarning));
  if (!request.profile.empty()) ok(api().EnableProfiling(raw, request.profile.c_str()));
  if (!request.folder.empty())
    ok(api().AddSessionConfigEntry(raw, "session.model_external_initializers_file_folder_path", request.folder.c_str()));
  for (const auto& [key, value] : request.config) ok(api().AddSessionConfigEntry(raw, key.c_str(), value.c_str()));
  for (const auto& provider : request.providers) append_provider(raw, provider);
  return options;
}

const IoInfo* find(const std::vector<IoInfo>& list, const std::string& name) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const IoInfo& io) { return io.name == name; });
  return found == list.end() ? nullptr : &*found;
}

}  // namespace

DeviceSession::DeviceSession(DeviceSessionRequest request) : profiling_(!request.profile.empty()) {
  const auto ok = [](Status* status) { check(status, ErrorCode::kEngineBuild); };
  MemoryInfo* memory = nullptr;
  ok(api().CreateCpuMemoryInfo(kDeviceAllocator, kMemoryDefault, &memory));
  memory_.reset(memory);
  const SessionLog::Attached attached(*log_);
  const SessionOptionsHandle options = make_options(request, log_.get());
  Session* session = nullptr;
  ok(api().CreateSessionFromArray(environment(), request.model.data(), request.model.size(), options.get(), &session));
  session_.reset(session);
  inputs_ = list_inputs(session);
  outputs_ = list_outputs(session);
}

void DeviceSession::require_input(const DeviceInput& input) const {
  const IoInfo* io = find(inputs_, input.name);
  if (io == nullptr) throw Error(ErrorCode::kFeed, "the graph has no input '" + input.name + "'");
  const int type = input.made ? tensor_type(input.made.get()) : input.tensor.element_type;
  if (io->element_type == type || io->element_type == 0) return;
  throw Error(ErrorCode::kFeed, "input '" + input.name + "' has element type " + std::to_string(io->element_type) + ", the feed has " + std::to_string(type) +
                                    " (numbers of TensorProto.DataType)");
}

ValueHandle DeviceSession::wrap(const Tensor& tensor) const {
  static unsigned char nothing[64];  // an empty tensor still needs an address
  void* address = tensor.data.size() == 0 ? nothing : tensor.data.data();
  Value* value = nullptr;
  check(api().CreateTensorWithDataAsOrtValue(memory_.get(), address, tensor.data.size(), tensor.dims.data(), tensor.dims.size(), tensor.element_type, &value),
        ErrorCode::kFeed);
  return ValueHandle(value);
}

std::vector<ValueHandle> DeviceSession::invoke(const DeviceInputs& inputs, const std::vector<std::string>& fetch, Cancellation& cancellation) {
  std::vector<const char*> input_names, output_names;
  std::vector<const Value*> values;
  std::vector<ValueHandle> owned;
  for (const auto& input : inputs) {
    require_input(input);
    if (!input.made) owned.push_back(wrap(input.tensor));
    input_names.push_back(input.name.c_str());
    values.push_back(input.made ? input.made.get() : owned.back().get());
  }
  for (const auto& name : fetch) {
    if (find(outputs_, name) == nullptr) throw Error(ErrorCode::kEngineRun, "the graph has no output '" + name + "' to fetch");
    output_names.push_back(name.c_str());
  }
  if (fetch.empty()) throw Error(ErrorCode::kEngineRun, "nothing to do: no output is asked for");
  RunOptions* raw = nullptr;
  check(api().CreateRunOptions(&raw), ErrorCode::kEngineRun);
  const RunOptionsHandle options(raw);
  std::vector<Value*> outputs(fetch.size(), nullptr);
  Status* status = nullptr;
  {
    const Cancellation::Running running(cancellation, raw);
    status = api().Run(session_.get(), raw, input_names.data(), values.data(), values.size(), output_names.data(), output_names.size(), outputs.data());
  }
  std::vector<ValueHandle> results;
  for (Value* output : outputs) results.emplace_back(output);
  if (cancellation.cancelled()) {
    if (status != nullptr) api().ReleaseStatus(status);
    throw Error(ErrorCode::kCancelled, "Stopped before the work was done.");
  }
  check(status, ErrorCode::kEngineRun);
  return results;
}

DeviceOutputs DeviceSession::run(const DeviceInputs& inputs, const std::vector<std::string>& fetch, Cancellation& cancellation) {
  auto values = invoke(inputs, fetch, cancellation);
  DeviceOutputs outputs;
  for (std::size_t i = 0; i < fetch.size(); i++) {
    auto copy = copy_value(values[i].get());
    values[i].reset();
    if (copy && !copy->sequence) outputs.tensors.emplace_back(fetch[i], std::move(copy->tensors.front()));
    else outputs.not_fetched.push_back(fetch[i]);
  }
  return outputs;
}

std::string DeviceSession::end_profiling() {
  if (!profiling_) return "";
  profiling_ = false;
  Allocator* allocator = nullptr;
  check(api().GetAllocatorWithDefaultOptions(&allocator), ErrorCode::kEngineRun);
  char* path = nullptr;
  check(api().SessionEndProfiling(session_.get(), allocator, &path), ErrorCode::kEngineRun);
  const std::string copy = path == nullptr ? "" : path;
  if (path != nullptr) check(api().AllocatorFree(allocator, path), ErrorCode::kEngineRun);
  return copy;
}

namespace {

/// Nothing for types that are not compared.
bool float_type(int element_type, FloatType& type) {
  switch (element_type) {
    case kElementFloat: type = FloatType::kFloat; return true;
    case kElementDouble: type = FloatType::kDouble; return true;
    case kElementHalf: type = FloatType::kHalf; return true;
    case kElementBfloat: type = FloatType::kBfloat; return true;
    default: return false;
  }
}

ComparedOutput compare_values(const std::string& name, const Value* reference, const Value* candidate) {
  const auto reason = [&](std::string text) { return ComparedOutput{name, {}, std::move(text)}; };
  for (const Value* value : {reference, candidate}) {
    int is_tensor = 0;
    if (value != nullptr) check(api().IsTensor(value, &is_tensor), ErrorCode::kEngineRun);
    if (is_tensor == 0) return reason("it is no tensor");
  }
  const TensorView r = view(reference, ErrorCode::kEngineRun), c = view(candidate, ErrorCode::kEngineRun);
  FloatType reference_type, candidate_type;
  if (!float_type(r.element_type, reference_type) || !float_type(c.element_type, candidate_type)) return reason("it holds no floats");
  if (r.dims != c.dims) return reason("the reference has shape " + to_string(r.dims) + ", the candidate " + to_string(c.dims));
  return {name, compare_tensors({reference_type, r.data}, {candidate_type, c.data}, r.count, default_threads()), ""};
}

}  // namespace

std::vector<ComparedOutput> compare_sessions(DeviceSession& reference, const DeviceInputs& reference_inputs, DeviceSession& candidate,
                                             const DeviceInputs& candidate_inputs, const std::vector<std::string>& names, Cancellation& cancellation) {
  auto expected = reference.invoke(reference_inputs, names, cancellation);
  auto found = candidate.invoke(candidate_inputs, names, cancellation);
  std::vector<ComparedOutput> compared;
  for (std::size_t i = 0; i < names.size(); i++) {
    compared.push_back(compare_values(names[i], expected[i].get(), found[i].get()));
    expected[i].reset();
    found[i].reset();
  }
  return compared;
}

}  // namespace halfscope::ort
