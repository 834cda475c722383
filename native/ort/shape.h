#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "ort/library.h"

namespace halfscope::ort {

/// A graph input or output. `element_type` is a number of TensorProto.DataType (the C API counts the newest types in another order), 0 for anything that is not a tensor.
struct IoInfo {
  std::string name;
  int element_type = 0;
  std::vector<std::int64_t> dims;      ///< -1 where unknown
  std::vector<std::string> symbols;    ///< one per dimension, empty where it has no name
};

/// What a tensor holds.
struct TensorView {
  int element_type = 0;
  std::vector<std::int64_t> dims;
  std::size_t count = 0;
  void* data = nullptr;
};

/// Bytes per element; 0 for types that halfscope does not feed or fetch (strings, complex, sub-byte).
std::size_t element_bytes(int element_type);

/// Looks into a tensor value; an Error of `code` for sequences and maps.
TensorView view(const Value* value, ErrorCode code);

IoInfo describe(const TypeInfo* type, std::string name);

/// Inputs and outputs of a session. Throw Error (kEngineBuild).
std::vector<IoInfo> list_inputs(const Session* session);
std::vector<IoInfo> list_outputs(const Session* session);

/// "[1, 128, hidden]", for messages.
std::string to_string(const std::vector<std::int64_t>& dims);

}  // namespace halfscope::ort
