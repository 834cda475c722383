#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace halfscope {

/// Bytes on a 64-byte boundary, moved but never copied by accident.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : size_(size) {
    if (size == 0) return;
    data_.reset(static_cast<unsigned char*>(std::aligned_alloc(64, (size + 63) / 64 * 64)));
    if (!data_) throw std::bad_alloc();
  }
  unsigned char* data() const noexcept { return data_.get(); }
  std::size_t size() const noexcept { return size_; }
  /// Gives the memory away; free it with std::free.
  unsigned char* release() noexcept { return data_.release(); }

 private:
  struct Free {
    void operator()(unsigned char* p) const noexcept { std::free(p); }
  };
  std::unique_ptr<unsigned char, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace halfscope
