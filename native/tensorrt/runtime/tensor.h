#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "tensorrt/face.h"

namespace halfscope::trt {

/// A value that somebody else keeps alive.
struct FeedTensor {
  std::string name;
  int type = 0;
  Dims dims;
  const unsigned char* data = nullptr;
  std::size_t bytes = 0;
};
using Feed = std::vector<FeedTensor>;

/// A value that comes back.
struct HostTensor {
  std::string name;
  int type = 0;
  Dims dims;
  Buffer data;
  /// It was written into memory that the caller gave; `data` is empty.
  bool given = false;
};

/// Memory that somebody else keeps alive, to write an output into where it has just that size. Fresh pages cost a request more than its copy.
struct Target {
  unsigned char* data = nullptr;
  std::size_t bytes = 0;
};

/// Bytes of one element of ONNX's type; 0 for types that engines do not give out.
constexpr std::size_t element_bytes(int type) {
  switch (type) {
    case 7: return 8;
    case 1:
    case 6: return 4;
    case 10:
    case 16: return 2;
    case 2:
    case 3:
    case 9: return 1;
    default: return 0;
  }
}
constexpr bool is_float_type(int type) { return type == 1 || type == 10 || type == 16; }

inline bool is_open(const Dims& dims) {
  for (const auto d : dims)
    if (d < 0) return true;
  return false;
}

/// Elements of a shape without open sizes. Throws Error (kFeed) where they are more than fit.
inline std::size_t element_count(const Dims& dims) {
  std::size_t count = 1;
  for (const auto d : dims) {
    if (d < 0 || __builtin_mul_overflow(count, static_cast<std::size_t>(d), &count)) throw Error(ErrorCode::kFeed, "an impossible shape");
  }
  return count;
}

inline std::string shape_text(const Dims& dims) {
  std::string text = "[";
  for (std::size_t i = 0; i < dims.size(); i++) text += (i > 0 ? ", " : "") + std::to_string(dims[i]);
  return text + "]";
}

/// Throws what a failure says.
[[noreturn]] inline void raise(const Failure& failure) { throw Error(failure.code, failure.message); }

}  // namespace halfscope::trt
