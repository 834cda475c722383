#pragma once

#include <exception>

#include "tensorrt/face.h"

namespace halfscope::trt {

/// Runs `body`; what it throws becomes the failure. Nothing leaves a module as an exception.
template <class Body>
bool guarded(Failure& failure, Body body) noexcept {
  try {
    body();
    return true;
  } catch (const Error& error) {
    failure = {error.code(), error.what()};
  } catch (const std::exception& error) {
    failure = {ErrorCode::kInternal, error.what()};
  } catch (...) {
    failure = {ErrorCode::kInternal, "unknown native failure"};
  }
  return false;
}

}  // namespace halfscope::trt
