#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace halfscope::ort {

/// What ONNX Runtime said about one session.
struct LogMessage {
  int severity = 0;  ///< kLogWarning ... kLogFatal
  std::string text;
  double count = 0;
};

/// Collects what ONNX Runtime and its execution providers log. Equal messages are one with a count; a library that never stops talking is cut off.
class SessionLog {
 public:
  /// An OrtLoggingFunction; `self` is the collector.
  static void add(void* self, int severity, const char* category, const char* id, const char* location, const char* message) noexcept;
  std::vector<LogMessage> messages() const;

 private:
  static constexpr std::size_t kMaxMessages = 10000, kMaxLength = 4096;
  mutable std::mutex guard_;
  std::vector<LogMessage> messages_;
  std::map<std::pair<int, std::string>, std::size_t> places_;
};

}  // namespace halfscope::ort
