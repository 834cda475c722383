#include "ort/providers.h"

#include <dlfcn.h>

#include <filesystem>
#include <memory>

#include "core/bare_names.h"

namespace halfscope::ort {
namespace {

void require(Status* status, const Provider& provider) {
  if (status == nullptr) return;
  const std::string text = api().GetErrorMessage(status);
  api().ReleaseStatus(status);
  throw Error(ErrorCode::kBackendUnavailable, provider.name + " execution provider: " + text);
}

/// Texts of refused options are told apart from texts of refused models by how they start.
void require_options(Status* status, const Provider& provider) {
  if (status == nullptr) return;
  const std::string text = api().GetErrorMessage(status);
  api().ReleaseStatus(status);
  throw Error(ErrorCode::kEngineBuild, "options of the " + provider.name + " execution provider: " + text);
}

/// Options as two lists of texts.
struct Lists {
  explicit Lists(const Provider& provider) {
    for (const auto& [key, value] : provider.options) {
      keys.push_back(key.c_str());
      values.push_back(value.c_str());
    }
  }
  std::vector<const char*> keys, values;
};

}  // namespace

void append_provider(SessionOptions* options, const Provider& provider) {
  const Lists lists(provider);
  if (provider.name == "CUDA") {
    CudaProviderOptions* raw = nullptr;
    require(api().CreateCUDAProviderOptions(&raw), provider);
    const std::unique_ptr<CudaProviderOptions, void (*)(CudaProviderOptions*)> owned(raw, api().ReleaseCUDAProviderOptions);
    require_options(api().UpdateCUDAProviderOptions(raw, lists.keys.data(), lists.values.data(), lists.keys.size()), provider);
    return require(api().SessionOptionsAppendExecutionProvider_CUDA_V2(options, raw), provider);
  }
  if (provider.name == "TensorRT") {
    TensorRtProviderOptions* raw = nullptr;
    require(api().CreateTensorRTProviderOptions(&raw), provider);
    const std::unique_ptr<TensorRtProviderOptions, void (*)(TensorRtProviderOptions*)> owned(raw, api().ReleaseTensorRTProviderOptions);
    require_options(api().UpdateTensorRTProviderOptions(raw, lists.keys.data(), lists.values.data(), lists.keys.size()), provider);
    return require(api().SessionOptionsAppendExecutionProvider_TensorRT_V2(options, raw), provider);
  }
  throw Error(ErrorCode::kBackendUnavailable, "halfscope knows no execution provider " + provider.name);
}

std::string preload(const std::string& path) {
  const std::filesystem::path file(path);
  if (::dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL) != nullptr) {
    const std::string name = file.filename().string();
    if (name.rfind("libnvinfer_builder_resource", 0) == 0) know_by_bare_names(file.parent_path(), {name});
    return "";
  }
  const char* reason = ::dlerror();
  return reason == nullptr ? path + " could not be loaded" : reason;
}

}  // namespace halfscope::ort
