#include "ort/session_log.h"

#include <exception>

namespace halfscope::ort {

void SessionLog::add(void* self, int severity, const char*, const char*, const char*, const char* message) noexcept {
  try {
    auto& log = *static_cast<SessionLog*>(self);
    std::string text = std::string(message == nullptr ? "" : message).substr(0, kMaxLength);
    const std::lock_guard<std::mutex> lock(log.guard_);
    const auto [place, is_new] = log.places_.try_emplace({severity, text}, log.messages_.size());
    if (!is_new) {
      log.messages_[place->second].count += 1;
    } else if (log.messages_.size() < kMaxMessages) {
      log.messages_.push_back({severity, std::move(text), 1});
    } else {
      log.places_.erase(place);
    }
  } catch (const std::exception&) {
    // No memory for a message: what it is about goes on.
  }
}

std::vector<LogMessage> SessionLog::messages() const {
  const std::lock_guard<std::mutex> lock(guard_);
  return messages_;
}

}  // namespace halfscope::ort
