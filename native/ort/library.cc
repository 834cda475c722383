#include "ort/library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <mutex>

#include "ort/session_log.h"

namespace halfscope::ort {
namespace {

Api table;
Env* env = nullptr;

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr), &std::free);
  return resolved ? std::string(resolved.get()) : path;
}

[[noreturn]] void unavailable(const std::string& message) { throw Error(ErrorCode::kBackendUnavailable, message); }

std::vector<std::string> list_providers() {
  char** names = nullptr;
  int count = 0;
  check(table.GetAvailableProviders(&names, &count), ErrorCode::kBackendUnavailable);
  std::vector<std::string> providers(names, names + count);
  check(table.ReleaseAvailableProviders(names, count), ErrorCode::kBackendUnavailable);
  return providers;
}

std::unique_ptr<LibraryInfo> open(const std::string& path) {
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = ::dlerror();
    unavailable(reason == nullptr ? path + " does not load" : reason);
  }
  using GetBase = const ApiBase* (*)();
  const auto get_base = reinterpret_cast<GetBase>(::dlsym(library, "OrtGetApiBase"));
  if (get_base == nullptr) unavailable(path + " is not ONNX Runtime: it has no OrtGetApiBase.");
  const ApiBase* base = get_base();
  const std::string version = base->get_version();
  const void* const* functions = base->get_api(kApiVersion);
  if (functions == nullptr) unavailable("ONNX Runtime 1." + std::to_string(kApiVersion) + " or newer is needed; " + path + " is " + version + ".");
#define HALFSCOPE_SLOT(number, name, result, parameters) \
  table.name = reinterpret_cast<result(*) parameters>(const_cast<void*>(functions[number]));
  HALFSCOPE_ORT_SLOTS(HALFSCOPE_SLOT)
#undef HALFSCOPE_SLOT
  // Nothing is printed: failures come back as a status whose text goes into the error, and warnings go to the session that is being made.
  check(table.CreateEnvWithCustomLogger(&SessionLog::add_to_attached, nullptr, kLogWarning, "halfscope", &env), ErrorCode::kBackendUnavailable);
  check(table.DisableTelemetryEvents(env), ErrorCode::kBackendUnavailable);
  return std::make_unique<LibraryInfo>(LibraryInfo{real_path(path), version, list_providers()});
}

}  // namespace

const LibraryInfo& load_library(const std::string& path) {
  static std::mutex guard;
  static const LibraryInfo* loaded = nullptr;  // leaked on purpose, like the environment
  const std::lock_guard<std::mutex> lock(guard);
  if (loaded == nullptr) loaded = open(path).release();
  if (loaded->path != real_path(path)) {
    unavailable("This process has already loaded ONNX Runtime from " + loaded->path + "; " + path + " needs a process of its own.");
  }
  return *loaded;
}

const Api& api() noexcept { return table; }
Env* environment() noexcept { return env; }

void check(Status* status, ErrorCode code) {
  if (status == nullptr) return;
  const std::string message = table.GetErrorMessage(status);
  table.ReleaseStatus(status);
  throw Error(code, message);
}

}  // namespace halfscope::ort
