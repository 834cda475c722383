// Checks ort/api.h against an official header, where one is installed. Exit 77: skipped.

#include "ort/api.h"

#include <cstdio>

#ifdef HALFSCOPE_HAVE_ORT_HEADER

#include <onnxruntime_c_api.h>

#include "test/harness.h"

namespace mine = halfscope::ort;

static_assert(ORT_API_VERSION >= mine::kApiVersion, "the installed header is older than the API version that halfscope asks for");

#define SLOT_CHECK(number, name, result, parameters) CHECK(offsetof(::OrtApi, name) / sizeof(void*) == number);
TEST(every_slot_has_its_number) { HALFSCOPE_ORT_SLOTS(SLOT_CHECK) }

TEST(custom_operators_are_laid_out_alike) {
#define FIELD(ours, theirs) CHECK(offsetof(mine::CustomOp, ours) == offsetof(::OrtCustomOp, theirs));
  FIELD(version, version)
  FIELD(create_kernel, CreateKernel)
  FIELD(get_name, GetName)
  FIELD(get_provider, GetExecutionProviderType)
  FIELD(get_input_type, GetInputType)
  FIELD(get_input_count, GetInputTypeCount)
  FIELD(get_output_type, GetOutputType)
  FIELD(get_output_count, GetOutputTypeCount)
  FIELD(compute, KernelCompute)
  FIELD(destroy_kernel, KernelDestroy)
  FIELD(get_input_characteristic, GetInputCharacteristic)
  FIELD(get_output_characteristic, GetOutputCharacteristic)
  FIELD(get_input_memory_type, GetInputMemoryType)
  FIELD(get_variadic_input_min_arity, GetVariadicInputMinArity)
  FIELD(get_variadic_input_homogeneity, GetVariadicInputHomogeneity)
  FIELD(get_variadic_output_min_arity, GetVariadicOutputMinArity)
  FIELD(get_variadic_output_homogeneity, GetVariadicOutputHomogeneity)
  FIELD(create_kernel_v2, CreateKernelV2)
  FIELD(compute_v2, KernelComputeV2)
  FIELD(infer_output_shape, InferOutputShapeFn)
  FIELD(get_start_version, GetStartVersion)
  FIELD(get_end_version, GetEndVersion)
  FIELD(get_may_inplace, GetMayInplace)
  FIELD(release_may_inplace, ReleaseMayInplace)
  FIELD(get_alias_map, GetAliasMap)
  FIELD(release_alias_map, ReleaseAliasMap)
#undef FIELD
}

TEST(constants_have_their_values) {
  CHECK(mine::kLogWarning == ORT_LOGGING_LEVEL_WARNING && mine::kLogError == ORT_LOGGING_LEVEL_ERROR && mine::kLogFatal == ORT_LOGGING_LEVEL_FATAL);
  CHECK(mine::kStatusFail == ORT_FAIL && mine::kStatusInvalidArgument == ORT_INVALID_ARGUMENT);
  CHECK(mine::kStatusRuntimeException == ORT_RUNTIME_EXCEPTION);
  CHECK(mine::kOnnxTypeTensor == ONNX_TYPE_TENSOR && mine::kElementFloat == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
  CHECK(mine::kElementString == ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING && mine::kElementDouble == ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE);
  CHECK(mine::kOnnxTypeSequence == ONNX_TYPE_SEQUENCE);
  CHECK(mine::kElementUint64 == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64);
  CHECK(mine::kOptimizationDisabled == ORT_DISABLE_ALL && mine::kOptimizationBasic == ORT_ENABLE_BASIC && mine::kOptimizationAll == ORT_ENABLE_ALL);
  CHECK(mine::kExecutionSequential == ORT_SEQUENTIAL && mine::kDeviceAllocator == OrtDeviceAllocator && mine::kMemoryDefault == OrtMemTypeDefault);
  CHECK(mine::kAttributeInts == ORT_OP_ATTR_INTS && mine::kAttributeFloat == ORT_OP_ATTR_FLOAT && mine::kAttributeString == ORT_OP_ATTR_STRING);
  CHECK(mine::kAttributeInt == ORT_OP_ATTR_INT && mine::kRequired == INPUT_OUTPUT_REQUIRED);
  CHECK(mine::kVariadic == INPUT_OUTPUT_VARIADIC);
  CHECK(offsetof(mine::ApiBase, get_version) == offsetof(::OrtApiBase, GetVersionString));
}

TEST_MAIN

#else

int main() {
  std::printf("SKIP: no official onnxruntime_c_api.h found; install libonnxruntime-dev or set HALFSCOPE_ORT_HEADER to check the slot numbers\n");
  return 77;
}

#endif
