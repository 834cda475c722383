#include "ort/shape.h"

namespace halfscope::ort {
namespace {

std::vector<std::int64_t> dims_of(const TensorTypeAndShapeInfo* info, ErrorCode code) {
  std::size_t rank = 0;
  check(api().GetDimensionsCount(info, &rank), code);
  std::vector<std::int64_t> dims(rank);
  check(api().GetDimensions(info, dims.data(), rank), code);
  return dims;
}

/// The C API has uint2, int2 and float8e8m0 as 24, 25 and 26, ONNX as 25, 26 and 24. Other numbers agree.
int onnx_number(int api_number) {
  switch (api_number) {
    case 24: return 25;
    case 25: return 26;
    case 26: return 24;
    default: return api_number;
  }
}

}  // namespace

std::size_t element_bytes(int element_type) {
  switch (element_type) {
    case 2: case 3: case 9: return 1;    // uint8, int8, bool
    case 17: case 18: case 19: case 20: return 1;  // FP8
    case 4: case 5: case 10: case 16: return 2;    // uint16, int16, float16, bfloat16
    case 1: case 6: case 12: return 4;   // float32, int32, uint32
    case 7: case 11: case 13: return 8;  // int64, float64, uint64
    default: return 0;
  }
}

TensorView view(const Value* value, ErrorCode code) {
  int is_tensor = 0;
  check(api().IsTensor(value, &is_tensor), code);
  if (!is_tensor) throw Error(code, "expected a tensor, found a sequence, map or optional");
  TensorTypeAndShapeInfo* raw = nullptr;
  check(api().GetTensorTypeAndShape(value, &raw), code);
  const ShapeInfoHandle info(raw);
  TensorView tensor;
  check(api().GetTensorElementType(info.get(), &tensor.element_type), code);
  tensor.element_type = onnx_number(tensor.element_type);
  tensor.dims = dims_of(info.get(), code);
  check(api().GetTensorShapeElementCount(info.get(), &tensor.count), code);
  if (tensor.element_type != kElementString) check(api().GetTensorMutableData(const_cast<Value*>(value), &tensor.data), code);
  return tensor;
}

IoInfo describe(const TypeInfo* type, std::string name) {
  IoInfo io;
  io.name = std::move(name);
  const TensorTypeAndShapeInfo* info = nullptr;
  check(api().CastTypeInfoToTensorInfo(type, &info), ErrorCode::kEngineBuild);
  if (info == nullptr) return io;
  check(api().GetTensorElementType(info, &io.element_type), ErrorCode::kEngineBuild);
  io.element_type = onnx_number(io.element_type);
  io.dims = dims_of(info, ErrorCode::kEngineBuild);
  std::vector<const char*> symbols(io.dims.size());
  check(api().GetSymbolicDimensions(info, symbols.data(), symbols.size()), ErrorCode::kEngineBuild);
  for (const char* symbol : symbols) io.symbols.emplace_back(symbol == nullptr ? "" : symbol);
  return io;
}

std::string to_string(const std::vector<std::int64_t>& dims) {
  std::string text = "[";
  for (std::size_t i = 0; i < dims.size(); i++) text += (i == 0 ? "" : ", ") + std::to_string(dims[i]);
  return text + "]";
}

namespace {

using GetCount = Status* (*)(const Session*, std::size_t*);
using GetName = Status* (*)(const Session*, std::size_t, Allocator*, char**);
using GetType = Status* (*)(const Session*, std::size_t, TypeInfo**);

std::vector<IoInfo> list_io(const Session* session, GetCount get_count, GetName get_name, GetType get_type) {
  Allocator* allocator = nullptr;
  check(api().GetAllocatorWithDefaultOptions(&allocator), ErrorCode::kEngineBuild);
  std::size_t count = 0;
  check(get_count(session, &count), ErrorCode::kEngineBuild);
  std::vector<IoInfo> list;
  for (std::size_t i = 0; i < count; i++) {
    char* name = nullptr;
    check(get_name(session, i, allocator, &name), ErrorCode::kEngineBuild);
    const std::string copy = name;
    check(api().AllocatorFree(allocator, name), ErrorCode::kEngineBuild);
    TypeInfo* type = nullptr;
    check(get_type(session, i, &type), ErrorCode::kEngineBuild);
    const TypeInfoHandle owned(type);
    list.push_back(describe(type, copy));
  }
  return list;
}

}  // namespace

std::vector<IoInfo> list_inputs(const Session* session) {
  return list_io(session, api().SessionGetInputCount, api().SessionGetInputName, api().SessionGetInputTypeInfo);
}

std::vector<IoInfo> list_outputs(const Session* session) {
  return list_io(session, api().SessionGetOutputCount, api().SessionGetOutputName, api().SessionGetOutputTypeInfo);
}

}  // namespace halfscope::ort
