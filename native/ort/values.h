#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/buffer.h"
#include "ort/library.h"

namespace halfscope::ort {

/// Values that someone fed or that come back, owned. Texts lie as their length in four bytes and their bytes, one behind the other.
struct Tensor {
  int element_type = 0;
  std::vector<std::int64_t> dims;
  Buffer data;
};

/// What a run gave: a tensor, or a sequence of tensors.
struct Fetched {
  bool sequence = false;
  std::vector<Tensor> tensors;
};

/// A copy of an output; nothing for what cannot be handed out (maps, optionals without a value, types that are not known).
std::optional<Fetched> copy_value(const Value* value);

/// Element type of a tensor, 0 for anything else.
int tensor_type(const Value* value);

/// The only output of a model without inputs. Sequences, optionals, texts and packed types, which the C API gives no memory for, are fed as what such a model
/// makes. Throws Error (kFeed) with ONNX Runtime's text.
std::shared_ptr<const Value> make_value(const Buffer& model);

}  // namespace halfscope::ort
