#pragma once

// What kernels of custom operators need besides their own work. ONNX Runtime calls them; no exception may reach it.

#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <vector>

#include "ort/library.h"
#include "ort/shape.h"

namespace halfscope::ort {

inline Status* failed(const char* message) noexcept { return api().CreateStatus(kStatusRuntimeException, message); }

template <class Body>
Status* guarded(Body body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const std::exception& error) {
    return failed(error.what());
  } catch (...) {
    return failed("unknown failure inside a halfscope operator");
  }
}

/// Attributes of a node; where it lacks one, the value given.
std::int64_t attribute(const KernelInfo* info, const char* name, std::int64_t otherwise);
float attribute(const KernelInfo* info, const char* name, float otherwise);
std::string attribute(const KernelInfo* info, const char* name, const char* otherwise);
std::vector<std::int64_t> attribute_list(const KernelInfo* info, const char* name);

/// body(0) ... body(total - 1) on the session's threads; the first exception of a body is thrown on.
template <class Body>
void parallel_for(const KernelContext* context, std::size_t total, const Body& body) {
  struct Work {
    const Body* body;
    std::mutex guard;
    std::exception_ptr failure;
  } work{&body, {}, nullptr};
  const auto one = [](void* data, std::size_t index) noexcept {
    auto& w = *static_cast<Work*>(data);
    try {
      (*w.body)(index);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(w.guard);
      if (!w.failure) w.failure = std::current_exception();
    }
  };
  if (total == 1) one(&work, 0);
  if (total > 1) check(api().KernelContext_ParallelFor(context, one, total, 0, &work), ErrorCode::kEngineRun);
  if (work.failure) std::rethrow_exception(work.failure);
}

}  // namespace halfscope::ort
