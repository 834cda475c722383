#include "tensorrt/runtime/library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <functional>
#include <iterator>
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

/// Those that halfscope can be built for, the newest first.
constexpr int kMajors[] = {11, 10, 8};

std::string core_name(int major) { return "libnvinfer.so." + std::to_string(major); }

/// "8, 10 or 11": the least first.
std::string listed(std::vector<int> majors, const char* last, const std::function<std::string(int)>& text) {
  std::string list;
  for (std::size_t i = 0; i < majors.size(); i++) list += (i == 0 ? "" : i + 1 == majors.size() ? std::string(" ") + last + " " : ", ") + text(majors[i]);
  return list;
}

std::string numbers(std::vector<int> majors, const char* last) {
  std::sort(majors.begin(), majors.end());
  return listed(std::move(majors), last, [](int major) { return std::to_string(major); });
}

/// A library of the folder, for whoever names a file of it.
std::string folder_of(const std::string& given) {
  std::error_code ignored;
  const std::filesystem::path path(given);
  if (!std::filesystem::is_regular_file(path, ignored)) return given;
  const auto parent = path.parent_path();
  return parent.empty() ? "." : parent.string();
}

/// Major versions whose libnvinfer lies in the folder, the newest first.
std::vector<int> majors_in(const std::string& folder) {
  std::vector<int> majors;
  std::error_code ignored;
  const std::string opening = "libnvinfer.so.";
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(opening, 0) != 0) continue;
    const std::string number = name.substr(opening.size());
    if (number.size() <= 3 && !number.empty() && std::all_of(number.begin(), number.end(), [](unsigned char c) { return std::isdigit(c) != 0; })) {
      majors.push_back(std::stoi(number));
    }
  }
  std::sort(majors.rbegin(), majors.rend());
  return majors;
}

/// Whether the system's loader finds it. A library that is found and lacks another one is there: its module tells. What is found stays loaded.
bool loader_finds(int major) {
  if (::dlopen(core_name(major).c_str(), RTLD_LAZY | RTLD_LOCAL) != nullptr) return true;
  const char* reason = ::dlerror();
  return reason != nullptr && std::string(reason).rfind(core_name(major) + ": cannot open shared object file", 0) != 0;
}

/// "8.6.1" as the library says; its major version where it does not load.
std::string version_at(const std::string& folder, int major) {
  const std::string path = folder.empty() ? core_name(major) : folder + "/" + core_name(major);
  void* library = ::dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) return std::to_string(major);
  const auto get = reinterpret_cast<int (*)()>(::dlsym(library, "getInferLibVersion"));
  const int number = get == nullptr ? 0 : get();
  ::dlclose(library);
  // TensorRT 8 and 9 number themselves 8601, later ones 100600.
  const int scale = number < 10000 ? 1000 : 10000;
  return number == 0 ? std::to_string(major)
                     : std::to_string(number / scale) + "." + std::to_string(number % scale / 100) + "." + std::to_string(number % 100);
}

/// One sentence: no TensorRT at all, or versions that this build has no module for.
std::string nothing_usable(const std::string& folder, std::vector<int> there, const std::vector<int>& spoken) {
  const std::vector<int> majors(std::begin(kMajors), std::end(kMajors));
  if (folder.empty()) std::copy_if(majors.begin(), majors.end(), std::back_inserter(there), loader_finds);
  if (!there.empty()) {
    return "TensorRT " + listed(there, "and", [&](int major) { return version_at(folder, major); }) + (folder.empty() ? " is what the loader finds" : " is in " + folder) +
           "; this build of halfscope has modules for " + numbers(spoken, "and") + ".";
  }
  if (folder.empty()) return "none of " + listed(majors, "and", core_name) + " was found by the loader.";
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) return "there is no folder " + folder + ".";
  return "no libnvinfer of TensorRT " + numbers(majors, "or") + " in " + folder + ".";
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

const OpenLibrary& open_library(const std::string& given) {
  const std::lock_guard<std::mutex> lock(guard);
  const std::string folder = folder_of(given);
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
  const auto in_folder = majors_in(folder);
  const auto is_there = [&](int major) { return folder.empty() ? loader_finds(major) : std::count(in_folder.begin(), in_folder.end(), major) > 0; };
  std::string reasons;
  std::vector<int> spoken;
  for (const auto& info : modules) {
    spoken.push_back(info.major);
    if (!is_there(info.major)) continue;
    std::string ignored;
    Failure failure;
    if (Library* library = open_module(info.path, ignored)->open(folder, failure)) {
      opened = new OpenLibrary{library, info};
      opened_from = folder;
      return *opened;
    }
    reasons += (reasons.empty() ? "" : " ") + failure.message;
  }
  unavailable(reasons.empty() ? nothing_usable(folder, in_folder, spoken) : reasons);
}

const OpenLibrary& opened_library() {
  const std::lock_guard<std::mutex> lock(guard);
  if (opened == nullptr) unavailable("TensorRT has not been opened.");
  return *opened;
}

}  // namespace halfscope::trt
