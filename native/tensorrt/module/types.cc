#include "tensorrt/module/types.h"

#include <algorithm>

namespace halfscope::trt {

int onnx_type(nvinfer1::DataType type) {
  using nvinfer1::DataType;
  switch (type) {
    case DataType::kFLOAT: return 1;
    case DataType::kUINT8: return 2;
    case DataType::kINT8: return 3;
    case DataType::kINT32: return 6;
    case DataType::kBOOL: return 9;
    case DataType::kHALF: return 10;
#if HALFSCOPE_TRT_TEN
    case DataType::kINT64: return 7;
    case DataType::kBF16: return 16;
#endif
    default: return 0;
  }
}

Dims to_dims(const nvinfer1::Dims& dims) {
  Dims sizes;
  for (int i = 0; i < dims.nbDims && i < nvinfer1::Dims::MAX_DIMS; i++) sizes.push_back(dims.d[i]);
  return sizes;
}

nvinfer1::Dims from_dims(const Dims& sizes) {
  if (sizes.size() > static_cast<std::size_t>(nvinfer1::Dims::MAX_DIMS)) {
    throw Error(ErrorCode::kFeed, "TensorRT takes up to 8 dimensions, found " + to_text(sizes));
  }
  nvinfer1::Dims dims{};
  dims.nbDims = static_cast<std::int32_t>(sizes.size());
  for (std::size_t i = 0; i < sizes.size(); i++) dims.d[i] = static_cast<std::remove_reference_t<decltype(dims.d[0])>>(sizes[i]);
  return dims;
}

std::string to_text(const Dims& dims) {
  std::string text = "[";
  for (std::size_t i = 0; i < dims.size(); i++) text += (i > 0 ? ", " : "") + std::to_string(dims[i]);
  return text + "]";
}

}  // namespace halfscope::trt
