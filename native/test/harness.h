#pragma once

// A tiny harness: TEST(name) { CHECK(condition); }, then TEST_MAIN. Prints one line per test; exits 1 when a check failed.

#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace halfscope::test {

struct Registry {
  std::vector<std::pair<std::string, std::function<void()>>> tests;
  int failures = 0;
  static Registry& get() {
    static Registry registry;
    return registry;
  }
};

struct Registration {
  Registration(const char* name, std::function<void()> body) { Registry::get().tests.emplace_back(name, std::move(body)); }
};

inline void report_failure(const char* file, int line, const char* what) {
  if (++Registry::get().failures <= 20) std::printf("%s:%d: CHECK(%s)\n", file, line, what);
}

inline int run_all() {
  auto& registry = Registry::get();
  int failed = 0;
  for (const auto& [name, body] : registry.tests) {
    const int before = registry.failures;
    body();
    const bool ok = registry.failures == before;
    failed += ok ? 0 : 1;
    std::printf("%s %s\n", ok ? "ok  " : "FAIL", name.c_str());
  }
  std::printf("%zu passed, %d failed\n", registry.tests.size() - static_cast<std::size_t>(failed), failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace halfscope::test

#define TEST(name)                                                                     \
  static void name();                                                                  \
  static const ::halfscope::test::Registration name##_registration{#name, name};       \
  static void name()
#define CHECK(condition)                                                                     \
  do {                                                                                       \
    if (!(condition)) ::halfscope::test::report_failure(__FILE__, __LINE__, #condition);     \
  } while (false)
#define TEST_MAIN \
  int main() { return ::halfscope::test::run_all(); }
