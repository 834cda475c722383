#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tensorrt/face.h"
#include "tensorrt/module/headers.h"

namespace halfscope::trt {

/// What TensorRT said about one engine, as data: bounded, equal messages counted. Safe from several threads.
class Messages {
 public:
  void add(Severity severity, const char* text);
  std::vector<Message> list() const;
  /// For errors: what was last said of that severity or worse, at most three sentences; empty for nothing.
  std::string last_errors() const;

 private:
  static constexpr std::size_t kDistinct = 2000, kTextBytes = 4000;
  mutable std::mutex guard_;
  std::vector<Message> list_;
  std::vector<std::string> errors_;
  std::int64_t dropped_ = 0;
};

/// While it lives, what this thread makes TensorRT say goes to `messages`, and so does what TensorRT's own threads say.
class Listening {
 public:
  explicit Listening(std::shared_ptr<Messages> messages);
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  ~Listening();

 private:
  std::shared_ptr<Messages> messages_;
  std::shared_ptr<Messages> before_;
};

/// The only logger, which is never destroyed: TensorRT keeps the first one it sees for all of the process.
nvinfer1::ILogger& logger();

}  // namespace halfscope::trt
