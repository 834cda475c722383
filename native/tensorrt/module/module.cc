// One module per major version of TensorRT: halfscope-tensorrt-<major>.so. Its only exported name is `halfscope_tensorrt_module`.

#include "tensorrt/module/build.h"
#include "tensorrt/module/engine.h"
#include "tensorrt/module/guarded.h"
#include "tensorrt/module/network.h"

namespace halfscope::trt {
namespace {

#define HALFSCOPE_TEXT_OF(x) #x
#define HALFSCOPE_TEXT(x) HALFSCOPE_TEXT_OF(x)

class ModuleLibrary final : public Library {
 public:
  explicit ModuleLibrary(const std::string& folder) : symbols_(load_symbols(folder)) {
    const int version = version_number(symbols_.reported_version);
    capabilities_.weak = HALFSCOPE_TRT_WEAK;
    capabilities_.typed = HALFSCOPE_TRT_TEN;
    capabilities_.debug_tensors = has_debug_tensors(version);
    capabilities_.progress = HALFSCOPE_TRT_TEN;
    capabilities_.strict_nans = HALFSCOPE_TRT_STRICT_NANS && version >= 100600;
    capabilities_.unfused_tensors = HALFSCOPE_TRT_UNFUSED && version >= 101200;
  }

  const std::string& version() const noexcept override { return symbols_.version; }
  const std::string& path() const noexcept override { return symbols_.path; }
  const LibraryCapabilities& capabilities() const noexcept override { return capabilities_; }
  const std::string& plugins() const noexcept override { return symbols_.plugins; }
  const std::string& plugins_missing() const noexcept override { return symbols_.plugins_missing; }

  bool describe(const BuildRequest& request, NetworkDescription& description, Failure& failure) noexcept override {
    return guarded(failure, [&] {
      const auto messages = std::make_shared<Messages>();
      const Listening listening(messages);
      ParsedNetwork parsed(symbols_, request, *messages);
      description = trt::describe(parsed.network());
      description.messages = messages->list();
    });
  }

  bool build(const BuildRequest& request, BuildWatch& watch, BuildOutcome& outcome, Failure& failure) noexcept override {
    return guarded(failure, [&] {
      const auto messages = std::make_shared<Messages>();
      const Listening listening(messages);
      build_engine(symbols_, request, watch, *messages, outcome);
      outcome.messages = messages->list();
    });
  }

  bool merge_caches(const Buffer& one, const Buffer& other, Buffer& merged, Failure& failure) noexcept override {
    return guarded(failure, [&] {
      const auto messages = std::make_shared<Messages>();
      const Listening listening(messages);
      merged = merge_timing_caches(symbols_, one, other, *messages);
    });
  }

  std::unique_ptr<Engine> load(const void* plan, std::size_t bytes, Failure& failure) noexcept override {
    std::unique_ptr<Engine> engine;
    guarded(failure, [&] { engine = load_engine(symbols_, plan, bytes); });
    return engine;
  }

 private:
  Symbols symbols_;
  LibraryCapabilities capabilities_;
};

Library* open_library(const std::string& folder, Failure& failure) noexcept {
  Library* library = nullptr;
  guarded(failure, [&] { library = new ModuleLibrary(folder); });
  return library;
}

constexpr ModuleEntry kEntry{kFaceVersion, HALFSCOPE_TRT_MAJOR,
                             HALFSCOPE_TEXT(NV_TENSORRT_MAJOR) "." HALFSCOPE_TEXT(NV_TENSORRT_MINOR) "." HALFSCOPE_TEXT(NV_TENSORRT_PATCH), open_library};

}  // namespace
}  // namespace halfscope::trt

extern "C" __attribute__((visibility("default"))) const halfscope::trt::ModuleEntry* halfscope_tensorrt_module() { return &halfscope::trt::kEntry; }
