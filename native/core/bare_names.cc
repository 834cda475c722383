#include "core/bare_names.h"

#include <dlfcn.h>
#include <stdlib.h>

#include <system_error>

namespace halfscope {
namespace {

namespace fs = std::filesystem;
constexpr const char* kOpener = "halfscope-opener.so";

/// A folder for a moment.
class PassingFolder {
 public:
  PassingFolder() {
    std::error_code error;
    std::string pattern = (fs::temp_directory_path(error) / "halfscope-XXXXXX").string();
    if (!error && ::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  PassingFolder(const PassingFolder&) = delete;
  PassingFolder& operator=(const PassingFolder&) = delete;
  ~PassingFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);  // links, not what they lead to
  }
  /// Empty where none could be made.
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

fs::path own_folder() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&own_folder), &info) == 0 || info.dli_fname == nullptr) return ".";
  return fs::absolute(info.dli_fname).parent_path();
}

void know_by_bare_names(const fs::path& folder, const std::vector<std::string>& names) {
  if (names.empty()) return;
  const PassingFolder passing;
  std::error_code error;
  if (passing.path().empty()) return;
  fs::create_symlink(own_folder() / kOpener, passing.path() / kOpener, error);
  for (const auto& name : names) fs::create_symlink(fs::absolute(folder, error) / name, passing.path() / name, error);
  void* opener = ::dlopen((passing.path() / kOpener).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (opener == nullptr) return;
  const auto open = reinterpret_cast<void* (*)(const char*)>(::dlsym(opener, "halfscope_open"));
  for (const auto& name : names) {
    if (open != nullptr) open(name.c_str());  // stays loaded
  }
  // Unloaded, so that the next folder of links is this library's search path then.
  ::dlclose(opener);
}

}  // namespace halfscope
