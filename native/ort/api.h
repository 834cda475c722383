#pragma once

// The part of ONNX Runtime's C API that halfscope uses, declared by hand. The API is a table of function pointers that only ever grows, so a
// slot's number is its contract (ONNX Runtime's C# binding relies on the same). test/ort_slots_test.cc checks every number and the layout of
// CustomOp against an official header where one is installed.

#include <cstddef>
#include <cstdint>

namespace halfscope::ort {

/// Asked of OrtGetApiBase()->GetApi: the oldest version (ONNX Runtime 1.20) with everything below.
constexpr std::uint32_t kApiVersion = 20;

// Opaque to us.
struct Allocator;
struct CudaProviderOptions;
struct CustomOpDomain;
struct Env;
struct KernelContext;
struct KernelInfo;
struct MemoryInfo;
struct Op;
struct OpAttr;
struct RunOptions;
struct Session;
struct SessionOptions;
struct ShapeInferContext;
struct Status;
struct TensorRtProviderOptions;
struct TensorTypeAndShapeInfo;
struct TypeInfo;
struct Value;
struct CustomOp;
using LoggingFunction = void (*)(void* self, int severity, const char* category, const char* id, const char* location, const char* message);

// Values of the API's enumerations, as far as they are used.
constexpr int kLogWarning = 2;
constexpr int kLogError = 3;
constexpr int kLogFatal = 4;
constexpr int kStatusFail = 1;
constexpr int kStatusInvalidArgument = 2;
constexpr int kStatusRuntimeException = 6;
constexpr int kOnnxTypeTensor = 1;
constexpr int kOnnxTypeSequence = 2;
constexpr int kElementUndefined = 0;  // of a custom operator's input: any tensor
constexpr int kElementFloat = 1;
constexpr int kElementString = 8;
constexpr int kElementHalf = 10;
constexpr int kElementDouble = 11;
constexpr int kElementUint64 = 13;
constexpr int kElementBfloat = 16;
constexpr int kOptimizationDisabled = 0;
constexpr int kOptimizationBasic = 1;
constexpr int kOptimizationAll = 99;
constexpr int kExecutionSequential = 0;
constexpr int kDeviceAllocator = 0;
constexpr int kMemoryDefault = 0;
constexpr int kAttributeInt = 1;
constexpr int kAttributeInts = 2;
constexpr int kAttributeFloat = 3;
constexpr int kAttributeString = 5;
constexpr int kRequired = 0;
constexpr int kVariadic = 2;

/// SLOT(number, name, return type, parameters)
#define HALFSCOPE_ORT_SLOTS(SLOT)                                                                                                         \
  SLOT(0, CreateStatus, Status*, (int code, const char* message))                                                                         \
  SLOT(1, GetErrorCode, int, (const Status*))                                                                                             \
  SLOT(2, GetErrorMessage, const char*, (const Status*))                                                                                  \
  SLOT(4, CreateEnvWithCustomLogger, Status*, (LoggingFunction, void* self, int severity, const char* log_id, Env** out))                 \
  SLOT(6, DisableTelemetryEvents, Status*, (const Env*))                                                                                  \
  SLOT(8, CreateSessionFromArray, Status*, (const Env*, const void* model, std::size_t size, const SessionOptions*, Session** out))       \
  SLOT(9, Run, Status*,                                                                                                                   \
       (Session*, const RunOptions*, const char* const* input_names, const Value* const* inputs, std::size_t input_count,                 \
        const char* const* output_names, std::size_t output_count, Value** outputs))                                                      \
  SLOT(10, CreateSessionOptions, Status*, (SessionOptions** out))                                                                         \
  SLOT(13, SetSessionExecutionMode, Status*, (SessionOptions*, int mode))                                                                 \
  SLOT(14, EnableProfiling, Status*, (SessionOptions*, const char* prefix))                                                               \
  SLOT(22, SetSessionLogSeverityLevel, Status*, (SessionOptions*, int severity))                                                          \
  SLOT(23, SetSessionGraphOptimizationLevel, Status*, (SessionOptions*, int level))                                                       \
  SLOT(24, SetIntraOpNumThreads, Status*, (SessionOptions*, int threads))                                                                 \
  SLOT(25, SetInterOpNumThreads, Status*, (SessionOptions*, int threads))                                                                 \
  SLOT(26, CreateCustomOpDomain, Status*, (const char* domain, CustomOpDomain** out))                                                     \
  SLOT(27, CustomOpDomain_Add, Status*, (CustomOpDomain*, const CustomOp*))                                                               \
  SLOT(28, AddCustomOpDomain, Status*, (SessionOptions*, CustomOpDomain*))                                                                \
  SLOT(30, SessionGetInputCount, Status*, (const Session*, std::size_t* out))                                                             \
  SLOT(31, SessionGetOutputCount, Status*, (const Session*, std::size_t* out))                                                            \
  SLOT(33, SessionGetInputTypeInfo, Status*, (const Session*, std::size_t index, TypeInfo** out))                                         \
  SLOT(34, SessionGetOutputTypeInfo, Status*, (const Session*, std::size_t index, TypeInfo** out))                                        \
  SLOT(36, SessionGetInputName, Status*, (const Session*, std::size_t index, Allocator*, char** out))                                     \
  SLOT(37, SessionGetOutputName, Status*, (const Session*, std::size_t index, Allocator*, char** out))                                    \
  SLOT(39, CreateRunOptions, Status*, (RunOptions** out))                                                                                 \
  SLOT(46, RunOptionsSetTerminate, Status*, (RunOptions*))                                                                                \
  SLOT(49, CreateTensorWithDataAsOrtValue, Status*,                                                                                       \
       (const MemoryInfo*, void* data, std::size_t bytes, const std::int64_t* dims, std::size_t rank, int element_type, Value** out))     \
  SLOT(50, IsTensor, Status*, (const Value*, int* out))                                                                                   \
  SLOT(51, GetTensorMutableData, Status*, (Value*, void** out))                                                                           \
  SLOT(53, GetStringTensorDataLength, Status*, (const Value*, std::size_t* out))                                                          \
  SLOT(54, GetStringTensorContent, Status*, (const Value*, void* out, std::size_t bytes, std::size_t* offsets, std::size_t count))        \
  SLOT(55, CastTypeInfoToTensorInfo, Status*, (const TypeInfo*, const TensorTypeAndShapeInfo** out))                                      \
  SLOT(60, GetTensorElementType, Status*, (const TensorTypeAndShapeInfo*, int* out))                                                      \
  SLOT(61, GetDimensionsCount, Status*, (const TensorTypeAndShapeInfo*, std::size_t* out))                                                \
  SLOT(62, GetDimensions, Status*, (const TensorTypeAndShapeInfo*, std::int64_t* out, std::size_t rank))                                  \
  SLOT(63, GetSymbolicDimensions, Status*, (const TensorTypeAndShapeInfo*, const char** out, std::size_t rank))                           \
  SLOT(64, GetTensorShapeElementCount, Status*, (const TensorTypeAndShapeInfo*, std::size_t* out))                                        \
  SLOT(65, GetTensorTypeAndShape, Status*, (const Value*, TensorTypeAndShapeInfo** out))                                                  \
  SLOT(67, GetValueType, Status*, (const Value*, int* out))                                                                               \
  SLOT(69, CreateCpuMemoryInfo, Status*, (int allocator_type, int memory_type, MemoryInfo** out))                                         \
  SLOT(76, AllocatorFree, Status*, (Allocator*, void*))                                                                                   \
  SLOT(78, GetAllocatorWithDefaultOptions, Status*, (Allocator** out))                                                                    \
  SLOT(80, GetValue, Status*, (const Value*, int index, Allocator*, Value** out))                                                         \
  SLOT(81, GetValueCount, Status*, (const Value*, std::size_t* out))                                                                      \
  SLOT(85, KernelInfoGetAttribute_float, Status*, (const KernelInfo*, const char* name, float* out))                                      \
  SLOT(86, KernelInfoGetAttribute_int64, Status*, (const KernelInfo*, const char* name, std::int64_t* out))                               \
  SLOT(87, KernelInfoGetAttribute_string, Status*, (const KernelInfo*, const char* name, char* out, std::size_t* bytes))                  \
  SLOT(88, KernelContext_GetInputCount, Status*, (const KernelContext*, std::size_t* out))                                                \
  SLOT(90, KernelContext_GetInput, Status*, (const KernelContext*, std::size_t index, const Value** out))                                 \
  SLOT(91, KernelContext_GetOutput, Status*,                                                                                              \
       (KernelContext*, std::size_t index, const std::int64_t* dims, std::size_t rank, Value** out))                                      \
  SLOT(93, ReleaseStatus, void, (Status*))                                                                                                \
  SLOT(94, ReleaseMemoryInfo, void, (MemoryInfo*))                                                                                        \
  SLOT(95, ReleaseSession, void, (Session*))                                                                                              \
  SLOT(96, ReleaseValue, void, (Value*))                                                                                                  \
  SLOT(97, ReleaseRunOptions, void, (RunOptions*))                                                                                        \
  SLOT(98, ReleaseTypeInfo, void, (TypeInfo*))                                                                                            \
  SLOT(99, ReleaseTensorTypeAndShapeInfo, void, (TensorTypeAndShapeInfo*))                                                                \
  SLOT(100, ReleaseSessionOptions, void, (SessionOptions*))                                                                               \
  SLOT(101, ReleaseCustomOpDomain, void, (CustomOpDomain*))                                                                               \
  SLOT(110, SessionEndProfiling, Status*, (Session*, Allocator*, char** out))                                                             \
  SLOT(125, GetAvailableProviders, Status*, (char*** out, int* count))                                                                    \
  SLOT(126, ReleaseAvailableProviders, Status*, (char** providers, int count))                                                            \
  SLOT(130, AddSessionConfigEntry, Status*, (SessionOptions*, const char* key, const char* value))                                        \
  SLOT(163, KernelInfoGetAttributeArray_int64, Status*, (const KernelInfo*, const char* name, std::int64_t* out, std::size_t* count))     \
  SLOT(170, SessionOptionsAppendExecutionProvider_TensorRT_V2, Status*, (SessionOptions*, const TensorRtProviderOptions*))                \
  SLOT(171, CreateTensorRTProviderOptions, Status*, (TensorRtProviderOptions** out))                                                      \
  SLOT(172, UpdateTensorRTProviderOptions, Status*,                                                                                       \
       (TensorRtProviderOptions*, const char* const* keys, const char* const* values, std::size_t count))                                 \
  SLOT(174, ReleaseTensorRTProviderOptions, void, (TensorRtProviderOptions*))                                                             \
  SLOT(192, HasValue, Status*, (const Value*, int* out))                                                                                  \
  SLOT(204, SessionOptionsAppendExecutionProvider_CUDA_V2, Status*, (SessionOptions*, const CudaProviderOptions*))                        \
  SLOT(205, CreateCUDAProviderOptions, Status*, (CudaProviderOptions** out))                                                              \
  SLOT(206, UpdateCUDAProviderOptions, Status*,                                                                                           \
       (CudaProviderOptions*, const char* const* keys, const char* const* values, std::size_t count))                                     \
  SLOT(208, ReleaseCUDAProviderOptions, void, (CudaProviderOptions*))                                                                     \
  SLOT(211, CreateOpAttr, Status*, (const char* name, const void* data, int count, int type, OpAttr** out))                               \
  SLOT(212, ReleaseOpAttr, void, (OpAttr*))                                                                                               \
  SLOT(213, CreateOp, Status*,                                                                                                            \
       (const KernelInfo*, const char* name, const char* domain, int version, const char** type_names, const int* types, int type_count,  \
        const OpAttr* const* attributes, int attribute_count, int input_count, int output_count, Op** out))                               \
  SLOT(214, InvokeOp, Status*,                                                                                                            \
       (const KernelContext*, const Op*, const Value* const* inputs, int input_count, Value* const* outputs, int output_count))           \
  SLOT(215, ReleaseOp, void, (Op*))                                                                                                       \
  SLOT(266, SetUserLoggingFunction, Status*, (SessionOptions*, LoggingFunction, void* self))                                              \
  SLOT(268, ShapeInferContext_GetInputTypeShape, Status*, (const ShapeInferContext*, std::size_t index, TensorTypeAndShapeInfo** out))    \
  SLOT(269, ShapeInferContext_GetAttribute, Status*, (const ShapeInferContext*, const char* name, const OpAttr** out))                    \
  SLOT(270, ShapeInferContext_SetOutputTypeShape, Status*, (const ShapeInferContext*, std::size_t index, const TensorTypeAndShapeInfo*))  \
  SLOT(272, ReadOpAttr, Status*, (const OpAttr*, int type, void* data, std::size_t bytes, std::size_t* out))                              \
  SLOT(274, KernelContext_ParallelFor, Status*,                                                                                           \
       (const KernelContext*, void (*body)(void*, std::size_t), std::size_t total, std::size_t batches, void* data))

/// The used functions by name. Read from the table once, see library.h.
struct Api {
#define HALFSCOPE_SLOT(number, name, result, parameters) result(*name) parameters = nullptr;
  HALFSCOPE_ORT_SLOTS(HALFSCOPE_SLOT)
#undef HALFSCOPE_SLOT
};

/// What OrtGetApiBase returns.
struct ApiBase {
  const void* const* (*get_api)(std::uint32_t version);
  const char* (*get_version)();
};

/// Interface of a custom operator, as version 20 of the API lays it out. Fields that are not used keep their place.
struct CustomOp {
  std::uint32_t version = kApiVersion;
  void* (*create_kernel)(const CustomOp*, const void* api, const KernelInfo*) = nullptr;
  const char* (*get_name)(const CustomOp*) = nullptr;
  const char* (*get_provider)(const CustomOp*) = nullptr;
  int (*get_input_type)(const CustomOp*, std::size_t) = nullptr;
  std::size_t (*get_input_count)(const CustomOp*) = nullptr;
  int (*get_output_type)(const CustomOp*, std::size_t) = nullptr;
  std::size_t (*get_output_count)(const CustomOp*) = nullptr;
  void (*compute)(void* kernel, KernelContext*) = nullptr;
  void (*destroy_kernel)(void* kernel) = nullptr;
  int (*get_input_characteristic)(const CustomOp*, std::size_t) = nullptr;
  int (*get_output_characteristic)(const CustomOp*, std::size_t) = nullptr;
  int (*get_input_memory_type)(const CustomOp*, std::size_t) = nullptr;
  int (*get_variadic_input_min_arity)(const CustomOp*) = nullptr;
  int (*get_variadic_input_homogeneity)(const CustomOp*) = nullptr;
  int (*get_variadic_output_min_arity)(const CustomOp*) = nullptr;
  int (*get_variadic_output_homogeneity)(const CustomOp*) = nullptr;
  Status* (*create_kernel_v2)(const CustomOp*, const void* api, const KernelInfo*, void** kernel) = nullptr;
  Status* (*compute_v2)(void* kernel, KernelContext*) = nullptr;
  Status* (*infer_output_shape)(const CustomOp*, ShapeInferContext*) = nullptr;
  int (*get_start_version)(const CustomOp*) = nullptr;
  int (*get_end_version)(const CustomOp*) = nullptr;
  std::size_t (*get_may_inplace)(int** inputs, int** outputs) = nullptr;
  void (*release_may_inplace)(int* inputs, int* outputs) = nullptr;
  std::size_t (*get_alias_map)(int** inputs, int** outputs) = nullptr;
  void (*release_alias_map)(int* inputs, int* outputs) = nullptr;
};

}  // namespace halfscope::ort
