#pragma once

#include <chrono>

namespace halfscope::trt {

/// Looks again and again, without sleep, until `ready` or the time has come. Says whether it is ready.
template <class Ready>
bool pause_until(std::chrono::steady_clock::time_point until, const Ready& ready) {
  while (!ready()) {
    if (std::chrono::steady_clock::now() >= until) return false;
#if defined(__x86_64__)
    __builtin_ia32_pause();  // leaves the core's other thread its share
#endif
  }
  return true;
}

}  // namespace halfscope::trt
