#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "ort/api.h"

namespace halfscope::ort {

struct LibraryInfo {
  std::string path;
  std::string version;
  std::vector<std::string> providers;
};

/// Loads ONNX Runtime once per process and makes its environment, which is never released: worker threads and sessions may outlive any one
/// owner, and the process is about to end anyway. A second call with the same path returns at once; another path is an error.
/// Throws Error (kBackendUnavailable). Safe from several threads.
const LibraryInfo& load_library(const std::string& path);

/// The functions. Only after load_library has returned.
const Api& api() noexcept;
Env* environment() noexcept;

/// Throws an Error of this code with ONNX Runtime's text if `status` is a failure, and releases it.
void check(Status* status, ErrorCode code);

template <class T, void (*Api::*kRelease)(T*)>
struct Release {
  void operator()(T* object) const noexcept { (api().*kRelease)(object); }
};
using SessionHandle = std::unique_ptr<Session, Release<Session, &Api::ReleaseSession>>;
using SessionOptionsHandle = std::unique_ptr<SessionOptions, Release<SessionOptions, &Api::ReleaseSessionOptions>>;
using RunOptionsHandle = std::unique_ptr<RunOptions, Release<RunOptions, &Api::ReleaseRunOptions>>;
using DomainHandle = std::unique_ptr<CustomOpDomain, Release<CustomOpDomain, &Api::ReleaseCustomOpDomain>>;
using ValueHandle = std::unique_ptr<Value, Release<Value, &Api::ReleaseValue>>;
using MemoryInfoHandle = std::unique_ptr<MemoryInfo, Release<MemoryInfo, &Api::ReleaseMemoryInfo>>;
using TypeInfoHandle = std::unique_ptr<TypeInfo, Release<TypeInfo, &Api::ReleaseTypeInfo>>;
using ShapeInfoHandle = std::unique_ptr<TensorTypeAndShapeInfo, Release<TensorTypeAndShapeInfo, &Api::ReleaseTensorTypeAndShapeInfo>>;
using OpHandle = std::unique_ptr<Op, Release<Op, &Api::ReleaseOp>>;
using OpAttrHandle = std::unique_ptr<OpAttr, Release<OpAttr, &Api::ReleaseOpAttr>>;

}  // namespace halfscope::ort
