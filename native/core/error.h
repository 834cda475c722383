#pragma once

#include <stdexcept>
#include <string>

namespace halfscope {

/// What went wrong, as the TypeScript side names it (`code` of the JS error).
enum class ErrorCode { kBackendUnavailable, kEngineBuild, kEngineRun, kFeed, kDisposed, kCancelled, kInternal };

constexpr const char* name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kBackendUnavailable: return "ERR_BACKEND_UNAVAILABLE";
    case ErrorCode::kEngineBuild: return "ERR_ENGINE_BUILD";
    case ErrorCode::kEngineRun: return "ERR_ENGINE_RUN";
    case ErrorCode::kFeed: return "ERR_FEED";
    case ErrorCode::kDisposed: return "ERR_DISPOSED";
    case ErrorCode::kCancelled: return "ERR_CANCELLED";
    case ErrorCode::kInternal: break;
  }
  return "ERR_INTERNAL";
}

/// The one exception type of the native side. It never leaves the addon: workers turn it into a rejected promise.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace halfscope
