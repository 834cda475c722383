#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/half.h"

namespace halfscope::ort {

/// A graph input that is fed from a file: float32 at any offset and alignment.
struct WeightInput {
  std::string name;
  std::string path;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::vector<std::int64_t> dims;
  std::int64_t switch_index = -1;  ///< -1: always as in the file
};

/// A file mapped read-only. Its size is checked when it is opened; truncating it under a running session is the user's own doing.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  const unsigned char* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

 private:
  unsigned char* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Anonymous pages that go straight back to the system when released: rounded weights would otherwise stay in the allocator's pools.
class Pages {
 public:
  explicit Pages(std::size_t bytes);
  ~Pages();
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  void* data() const noexcept { return data_; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The values of one weight input: the file's bytes, or a rounded copy while its switch is on.
class Weight {
 public:
  /// Throws Error (kEngineBuild) when the file is too short or the shape does not match the length.
  Weight(WeightInput input, std::shared_ptr<const MappedFile> file);
  const WeightInput& input() const noexcept { return input_; }
  std::size_t count() const noexcept { return input_.bytes / 4; }
  /// Position of the switch (core/rounding.h); returns true if data() changed.
  bool set(std::uint8_t position, std::size_t threads);
  const void* data() const noexcept { return rounded_ ? rounded_->data() : raw(); }

 private:
  const void* raw() const noexcept { return file_->data() + input_.offset; }
  WeightInput input_;
  std::shared_ptr<const MappedFile> file_;
  std::unique_ptr<Pages> rounded_;
  std::uint8_t position_ = 0;
};

/// Maps each file once.
std::vector<Weight> open_weights(std::vector<WeightInput> inputs);

}  // namespace halfscope::ort
