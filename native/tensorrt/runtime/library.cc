#include "tensorrt/runtime/library.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <mutex>

#include "core/bare_names.h"

namespace halfscope::trt {
namespace {

[[noreturn]] void unavailable(const std::string& message) { throw Error(ErrorCode::kBackendUnavailable, message); }

/// Kernels of the builder, one file per kind of GPU in newer versions.
std::vector<std::string> builder_resources(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  if (folder.empty()) return names;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    // Those for engines that run on Windows load there only.
    if (name.rfind("libnvinfer_builder_resource", 0) == 0 && name.find("_win") == std::string::npos) names.push_back(name);
  }
  return names;
}

/// nullptr with a failure for a file that is no module, or another build's.
const ModuleEntry* open_module(const std::string& path, std::string& failure) {
  void* module = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) {
    const char* reason = ::dlerror();
    failure = reason == nullptr ? path : reason;
    return nullptr;
  }
  const auto get = reinterpret_cast<const ModuleEntry* (*)()>(::dlsym(module, "halfscope_tensorrt_module"));
  if (get == nullptr) {
    failure = path + " is no module of halfscope";
    return nullptr;
  }
  if (get()->face_version == kFaceVersion) return get();
  failure = path + " is of another build of halfscope";
  return nullptr;
}

std::mutex guard;
const OpenLibrary* opened = nullptr;  // leaked on purpose: engines and threads may outlive any one owner
std::string opened_from;

}  // namespace

std::vector<ModuleInfo> find_modules(std::vector<std::string>& failures) {
  std::vector<ModuleInfo> modules;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(own_folder(), ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("halfscope-tensorrt-", 0) != 0 || entry.path().extension() != ".so") continue;
    std::string failure;
    const ModuleEntry* module = open_module(entry.path().string(), failure);
    if (module == nullptr) failures.push_back(failure);
    else modules.push_back({module->major, module->headers, entry.path().string()});
  }
  std::sort(modules.begin(), modules.end(), [](const auto& a, const auto& b) { return a.major > b.major; });
  return modules;
}

const OpenLibrary& open_library(const std::string& folder) {
  const std::lock_guard<std::mutex> lock(guard);
  if (opened != nullptr) {
    if (opened_from != folder) unavailable("This process has already loaded TensorRT from " + opened->library->path() + "; another one needs a process of its own.");
    return *opened;
  }
  std::vector<std::string> failures;
  const auto modules = find_modules(failures);
  if (modules.empty()) {
    unavailable(failures.empty() ? "halfscope was built without TensorRT: no headers were found then." : "halfscope's TensorRT module cannot be loaded: " + failures[0] + ".");
  }
  know_by_bare_names(folder, builder_resources(folder));
  std::string reasons;
  for (const auto& info : modules) {
    std::string ignored;
    Failure failure;
    if (Library* library = open_module(info.path, ignored)->open(folder, failure)) {
      opened = new OpenLibrary{library, info};
      opened_from = folder;
      return *opened;
    }
    reasons += (reasons.empty() ? "" : " ") + failure.message;
  }
  unavailable(reasons);
}

const OpenLibrary& opened_library() {
  const std::lock_guard<std::mutex> lock(guard);
  if (opened == nullptr) unavailable("TensorRT has not been opened.");
  return *opened;
}

}  // namespace halfscope::trt
