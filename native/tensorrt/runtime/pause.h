#pragma once

#include <chrono>
#include <thread>

namespace halfscope::trt {

/// Looks again and again, without sleep, until `ready` or the time has come. Says whether it is ready. Lets others have the core in between: where there is one core only,
/// whoever makes it ready needs that very core.
template <class Ready>
bool pause_until(std::chrono::steady_clock::time_point until, const Ready& ready) {
  while (!ready()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace halfscope::trt
