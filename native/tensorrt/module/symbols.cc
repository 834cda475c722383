#include "tensorrt/module/symbols.h"

#include <dlfcn.h>
#include <link.h>

#include "tensorrt/module/headers.h"

namespace halfscope::trt {
namespace {

[[noreturn]] void unavailable(const std::string& message) { throw Error(ErrorCode::kBackendUnavailable, message); }

const std::string kMajor = std::to_string(HALFSCOPE_TRT_MAJOR);

void* open_library(const std::string& folder, const std::string& name) {
  const std::string path = folder.empty() ? name : folder + "/" + name;
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = ::dlerror();
    unavailable("TensorRT " + kMajor + " not found: " + (reason ? reason : path) + ".");
  }
  return library;
}

template <class Function>
void find(void* library, const std::string& path, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) unavailable(path + " is not TensorRT " + kMajor + ": it lacks " + name + ".");
}

std::string path_of(void* library, const std::string& otherwise) {
  link_map* map = nullptr;
  return ::dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 && map != nullptr && map->l_name[0] != '\0' ? map->l_name : otherwise;
}

}  // namespace

Symbols load_symbols(const std::string& folder) {
  const std::string core = "libnvinfer.so." + kMajor;
  const std::string parser = "libnvonnxparser.so." + kMajor;
  void* library = open_library(folder, core);
  Symbols symbols;
  symbols.path = path_of(library, core);
  int (*get_version)() = nullptr;
  find(library, symbols.path, "getInferLibVersion", get_version);
  symbols.reported_version = get_version();
  const int version = version_number(symbols.reported_version);
  symbols.version = std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." + std::to_string(version % 100);
  if (version / 10000 != HALFSCOPE_TRT_MAJOR) {
    unavailable(symbols.path + " is TensorRT " + symbols.version + "; this module of halfscope speaks TensorRT " + kMajor + ".");
  }
  find(library, symbols.path, "createInferBuilder_INTERNAL", symbols.create_builder);
  find(library, symbols.path, "createInferRuntime_INTERNAL", symbols.create_runtime);
  void* parsing = open_library(folder, parser);
  find(parsing, path_of(parsing, parser), "createNvOnnxParser_INTERNAL", symbols.create_parser);
  // Plugins that the parser knows by name (InstanceNormalization, NonMaxSuppression ...). Models without them need no such library.
  const std::string plugins = (folder.empty() ? std::string() : folder + "/") + "libnvinfer_plugin.so." + kMajor;
  void* library_of_plugins = ::dlopen(plugins.c_str(), RTLD_LAZY | RTLD_LOCAL);
  (void)library_of_plugins;
  return symbols;
}

}  // namespace halfscope::trt
