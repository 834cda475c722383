#include "ort/session_log.h"

#include <algorithm>
#include <exception>

namespace halfscope::ort {
namespace {

struct Attachments {
  std::mutex guard;
  std::vector<SessionLog*> logs;
};

/// Leaked on purpose, like the environment that calls: its threads may speak while the process ends.
Attachments& attachments() {
  static auto* const all = new Attachments();
  return *all;
}

}  // namespace

void SessionLog::append(int severity, const char* message) {
  std::string text = std::string(message == nullptr ? "" : message).substr(0, kMaxLength);
  const std::lock_guard<std::mutex> lock(guard_);
  if (lines_.size() < kMaxLines) lines_.push_back({severity, std::move(text)});
  else dropped_++;
}

void SessionLog::add(void* self, int severity, const char*, const char*, const char*, const char* message) noexcept {
  try {
    static_cast<SessionLog*>(self)->append(severity, message);
  } catch (const std::exception&) {
    // No memory for a message: what it is about goes on.
  }
}

void SessionLog::add_to_attached(void*, int severity, const char*, const char*, const char*, const char* message) noexcept {
  try {
    const std::lock_guard<std::mutex> lock(attachments().guard);
    for (SessionLog* log : attachments().logs) log->append(severity, message);
  } catch (const std::exception&) {
  }
}

SessionLog::Attached::Attached(SessionLog& log) : log_(log) {
  const std::lock_guard<std::mutex> lock(attachments().guard);
  attachments().logs.push_back(&log);
}

SessionLog::Attached::~Attached() {
  const std::lock_guard<std::mutex> lock(attachments().guard);
  auto& logs = attachments().logs;
  logs.erase(std::find(logs.begin(), logs.end(), &log_));
}

std::vector<LogLine> SessionLog::lines() const {
  const std::lock_guard<std::mutex> lock(guard_);
  return lines_;
}

std::size_t SessionLog::dropped() const {
  const std::lock_guard<std::mutex> lock(guard_);
  return dropped_;
}

}  // namespace halfscope::ort
