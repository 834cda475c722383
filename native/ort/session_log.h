#pragma once

#include <mutex>
#include <string>
#include <vector>

namespace halfscope::ort {

/// A line of ONNX Runtime's log.
struct LogLine {
  int severity = 0;  ///< kLogWarning ... kLogFatal
  std::string text;
};

/// Collects what ONNX Runtime and its execution providers say about one session, in order. A library that never stops talking is cut off.
class SessionLog {
 public:
  /// LoggingFunction of a session; `self` is the collector.
  static void add(void* self, int severity, const char* category, const char* id, const char* location, const char* message) noexcept;
  /// LoggingFunction of the environment: providers say some things there, without saying of which session. Every attached collector takes them.
  static void add_to_attached(void*, int severity, const char* category, const char* id, const char* location, const char* message) noexcept;

  /// Takes the environment's lines for as long as it lives: while a session is made.
  class Attached {
   public:
    explicit Attached(SessionLog& log);
    ~Attached();
    Attached(const Attached&) = delete;
    Attached& operator=(const Attached&) = delete;

   private:
    SessionLog& log_;
  };

  std::vector<LogLine> lines() const;
  /// Lines that came after the last one that was kept.
  std::size_t dropped() const;

 private:
  static constexpr std::size_t kMaxLines = 20000, kMaxLength = 8192;
  void append(int severity, const char* message);

  mutable std::mutex guard_;
  std::vector<LogLine> lines_;
  std::size_t dropped_ = 0;
};

}  // namespace halfscope::ort
