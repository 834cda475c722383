#include "tensorrt/module/log.h"

#include <algorithm>

namespace halfscope::trt {
namespace {

thread_local std::shared_ptr<Messages> mine;

/// Every Messages that somebody listens with, for the lines of threads that nobody listens on.
struct Everyone {
  std::mutex guard;
  std::vector<std::shared_ptr<Messages>> list;
};
Everyone& everyone() {
  static auto* all = new Everyone();
  return *all;
}

class Logger final : public nvinfer1::ILogger {
 public:
  void log(nvinfer1::ILogger::Severity severity, const char* text) noexcept override {
    if (text == nullptr || severity > nvinfer1::ILogger::Severity::kINFO) return;
    try {
      const auto level = static_cast<halfscope::trt::Severity>(severity);
      if (mine) return mine->add(level, text);
      auto& all = everyone();
      const std::lock_guard<std::mutex> lock(all.guard);
      for (const auto& messages : all.list) messages->add(level, text);
    } catch (...) {
      // No memory for a log line: the line is lost.
    }
  }
};

}  // namespace

void Messages::add(Severity severity, const char* text) {
  std::string line(text);
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  if (line.empty()) return;
  if (line.size() > kTextBytes) line.resize(kTextBytes);
  const std::lock_guard<std::mutex> lock(guard_);
  if (severity <= Severity::kError) {
    if (errors_.empty() || errors_.back() != line) errors_.push_back(line);
    if (errors_.size() > 3) errors_.erase(errors_.begin());
  }
  const auto same = std::find_if(list_.begin(), list_.end(), [&](const Message& m) { return m.severity == severity && m.text == line; });
  if (same != list_.end()) {
    same->count++;
  } else if (list_.size() < kDistinct) {
    list_.push_back({severity, std::move(line), 1});
  } else {
    dropped_++;
  }
}

std::vector<Message> Messages::list() const {
  const std::lock_guard<std::mutex> lock(guard_);
  auto all = list_;
  if (dropped_ > 0) all.push_back({Severity::kInfo, "More messages than are kept.", dropped_});
  return all;
}

std::string Messages::last_errors() const {
  const std::lock_guard<std::mutex> lock(guard_);
  std::string text;
  for (const auto& error : errors_) text += (text.empty() ? "" : " | ") + error;
  return text;
}

Listening::Listening(std::shared_ptr<Messages> messages) : messages_(std::move(messages)), before_(mine) {
  mine = messages_;
  auto& all = everyone();
  const std::lock_guard<std::mutex> lock(all.guard);
  all.list.push_back(messages_);
}

Listening::~Listening() {
  mine = before_;
  auto& all = everyone();
  const std::lock_guard<std::mutex> lock(all.guard);
  const auto here = std::find(all.list.begin(), all.list.end(), messages_);
  if (here != all.list.end()) all.list.erase(here);
}

nvinfer1::ILogger& logger() {
  static auto* only = new Logger();
  return *only;
}

}  // namespace halfscope::trt
