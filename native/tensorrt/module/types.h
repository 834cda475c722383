#pragma once

#include <string>
#include <vector>

#include "tensorrt/face.h"
#include "tensorrt/module/headers.h"

namespace halfscope::trt {

/// TensorProto.DataType of TensorRT's; 0 for types that ONNX has not, or halfscope cannot handle.
int onnx_type(nvinfer1::DataType type);
Dims to_dims(const nvinfer1::Dims& dims);
/// Throws Error (kFeed) for more than eight sizes.
nvinfer1::Dims from_dims(const Dims& dims);
std::string to_text(const Dims& dims);

inline bool is_float(nvinfer1::DataType type) {
#if HALFSCOPE_TRT_TEN
  if (type == nvinfer1::DataType::kBF16) return true;
#endif
  return type == nvinfer1::DataType::kFLOAT || type == nvinfer1::DataType::kHALF;
}

}  // namespace halfscope::trt
