#include "ort/providers.h"

#include <dlfcn.h>

#include <memory>

namespace halfscope::ort {
namespace {

/// Why the provider's library does not load, in the loader's words. Only after ONNX Runtime has failed to load it: loading it first would leave it without its host.
std::string loader_reason(const std::string& file) {
  const std::string& library = loaded_library().path;
  const std::string path = library.substr(0, library.rfind('/') + 1) + file;
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle != nullptr) return "";
  const char* reason = ::dlerror();
  return reason == nullptr ? path : reason;
}

void require(Status* status, const Provider& provider, const char* file) {
  if (status == nullptr) return;
  const std::string text = api().GetErrorMessage(status);
  api().ReleaseStatus(status);
  const std::string reason = file == nullptr ? "" : loader_reason(file);
  throw Error(ErrorCode::kBackendUnavailable, provider.name + " execution provider: " + (reason.empty() ? text : reason));
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
    constexpr const char* kFile = "libonnxruntime_providers_cuda.so";
    CudaProviderOptions* raw = nullptr;
    require(api().CreateCUDAProviderOptions(&raw), provider, kFile);
    const std::unique_ptr<CudaProviderOptions, void (*)(CudaProviderOptions*)> owned(raw, api().ReleaseCUDAProviderOptions);
    check(api().UpdateCUDAProviderOptions(raw, lists.keys.data(), lists.values.data(), lists.keys.size()), ErrorCode::kEngineBuild);
    return require(api().SessionOptionsAppendExecutionProvider_CUDA_V2(options, raw), provider, kFile);
  }
  if (provider.name == "TensorRT") {
    constexpr const char* kFile = "libonnxruntime_providers_tensorrt.so";
    TensorRtProviderOptions* raw = nullptr;
    require(api().CreateTensorRTProviderOptions(&raw), provider, kFile);
    const std::unique_ptr<TensorRtProviderOptions, void (*)(TensorRtProviderOptions*)> owned(raw, api().ReleaseTensorRTProviderOptions);
    check(api().UpdateTensorRTProviderOptions(raw, lists.keys.data(), lists.values.data(), lists.keys.size()), ErrorCode::kEngineBuild);
    return require(api().SessionOptionsAppendExecutionProvider_TensorRT_V2(options, raw), provider, kFile);
  }
  require(api().SessionOptionsAppendExecutionProvider(options, provider.name.c_str(), lists.keys.data(), lists.values.data(), lists.keys.size()), provider, nullptr);
}

std::string preload(const std::string& path) {
  if (::dlopen(path.c_str(), RTLD_LAZY | RTLD_GLOBAL) != nullptr) return "";
  const char* reason = ::dlerror();
  return reason == nullptr ? path + " could not be loaded" : reason;
}

}  // namespace halfscope::ort
