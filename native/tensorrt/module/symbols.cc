#include "tensorrt/module/symbols.h"

#include <dlfcn.h>
#include <link.h>

#include <filesystem>
#include <mutex>

#include "tensorrt/module/headers.h"
#include "tensorrt/module/log.h"

namespace halfscope::trt {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void unavailable(const std::string& message) { throw Error(ErrorCode::kBackendUnavailable, message); }

const std::string kMajor = std::to_string(HALFSCOPE_TRT_MAJOR);

/// A library and where it lies, or why it does not load.
struct Opened {
  void* library = nullptr;
  std::string path, failure;
  /// The file itself is not there, rather than broken or lacking another one.
  bool absent = false;
};

std::string path_of(void* library, const std::string& otherwise) {
  link_map* map = nullptr;
  return ::dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 && map != nullptr && map->l_name[0] != '\0' ? map->l_name : otherwise;
}

/// `name` of `folder`, or of wherever the system's loader finds it.
Opened open_library(const std::string& folder, const std::string& name, int mode) {
  const std::string asked = folder.empty() ? name : folder + "/" + name;
  Opened opened;
  std::error_code ignored;
  if (!folder.empty() && !fs::exists(asked, ignored)) {
    opened.absent = true;
    opened.failure = "there is none in " + folder;
    return opened;
  }
  opened.library = ::dlopen(asked.c_str(), mode | RTLD_LOCAL);
  if (opened.library != nullptr) {
    opened.path = path_of(opened.library, asked);
    return opened;
  }
  const char* reason = ::dlerror();
  opened.failure = reason == nullptr ? asked + " does not load" : reason;
  opened.absent = folder.empty() && opened.failure.rfind(name + ": cannot open shared object file", 0) == 0;
  if (opened.absent) opened.failure = "the loader finds none";
  return opened;
}

template <class Function>
void find(void* library, const std::string& path, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) unavailable(path + " is not TensorRT " + kMajor + ": it lacks " + name + ".");
}

/// Why the parser does not load: of TensorRT 8 it is linked with the plugins, and the loader names only these then.
std::string parser_failure(const Symbols& symbols, const std::string& parser, const std::string& plugins, const Opened& opened) {
  if (opened.absent) return symbols.path + " is TensorRT " + symbols.version + ", but " + parser + ", which reads ONNX files, is missing: " + opened.failure + ".";
  if (opened.failure.rfind(plugins, 0) == 0) return parser + " needs " + plugins + ": " + (symbols.plugins_missing.empty() ? opened.failure : symbols.plugins_missing) + ".";
  return parser + " does not load: " + opened.failure + ".";
}

}  // namespace

Symbols load_symbols(const std::string& folder) {
  const std::string core = "libnvinfer.so." + kMajor, parser = "libnvonnxparser.so." + kMajor, plugins = "libnvinfer_plugin.so." + kMajor;
  const Opened opened = open_library(folder, core, RTLD_NOW);
  if (opened.library == nullptr) unavailable(core + (opened.absent ? " is missing: " : " does not load: ") + opened.failure + ".");
  Symbols symbols;
  symbols.path = opened.path;
  int (*get_version)() = nullptr;
  find(opened.library, symbols.path, "getInferLibVersion", get_version);
  symbols.reported_version = get_version();
  const int version = version_number(symbols.reported_version);
  symbols.version = std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." + std::to_string(version % 100);
  if (version / 10000 != HALFSCOPE_TRT_MAJOR) {
    unavailable(symbols.path + " is TensorRT " + symbols.version + "; this module of halfscope speaks TensorRT " + kMajor + ".");
  }
  if (version / 100 % 100 < HALFSCOPE_TRT_LOWEST_MINOR) {
    unavailable(symbols.path + " is TensorRT " + symbols.version + "; " + kMajor + "." + std::to_string(HALFSCOPE_TRT_LOWEST_MINOR) + " or newer is needed.");
  }
  find(opened.library, symbols.path, "createInferBuilder_INTERNAL", symbols.create_builder);
  find(opened.library, symbols.path, "createInferRuntime_INTERNAL", symbols.create_runtime);
  // Before the parser, which may be linked with them and finds by name what is loaded.
  const Opened known = open_library(folder, plugins, RTLD_LAZY);
  symbols.plugins = known.path;
  symbols.plugins_missing = known.failure;
  if (known.library != nullptr) {
    symbols.register_plugins = reinterpret_cast<decltype(symbols.register_plugins)>(::dlsym(known.library, "initLibNvInferPlugins"));
  }
  const Opened parsing = open_library(folder, parser, RTLD_NOW);
  if (parsing.library == nullptr) unavailable(parser_failure(symbols, parser, plugins, parsing));
  find(parsing.library, parsing.path, "createNvOnnxParser_INTERNAL", symbols.create_parser);
  return symbols;
}

void register_plugins(const Symbols& symbols) {
  static std::once_flag once;
  std::call_once(once, [&] {
    // What fails is told by the log, and by whatever model needs it.
    if (symbols.register_plugins != nullptr) symbols.register_plugins(&logger(), "");
  });
}

}  // namespace halfscope::trt
