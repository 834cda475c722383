// What prepare.ts and overhead.ts wrote: the inputs of one run and the tensors to look at.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace halfscope {

/// One input tensor: little-endian, C order.
struct Input {
  std::string name;
  std::vector<std::int64_t> dims;
  std::vector<char> bytes;
};

struct Prepared {
  std::vector<Input> inputs;
  /// Float tensors that the ONNX graph names, in graph order.
  std::vector<std::string> tensors;
};

/// Reads run.txt and the files that it names. Throws std::runtime_error, naming the file.
Prepared read_prepared(const std::string& folder);

/// prepared.json as it is: digests and names of what is measured, for results. Only prepare.ts writes it. Throws std::runtime_error, naming the file.
std::string read_description(const std::string& folder);

/// The bytes of a file. Throws std::runtime_error.
std::string read_file(const std::string& path);

}  // namespace halfscope
