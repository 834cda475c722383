#pragma once

// NVIDIA's headers of one major version, and what differs between versions, in one place.

#include <NvInfer.h>
#include <NvOnnxParser.h>

#define HALFSCOPE_TRT_MAJOR NV_TENSORRT_MAJOR
#define HALFSCOPE_TRT_HEADERS (NV_TENSORRT_MAJOR * 10000 + NV_TENSORRT_MINOR * 100 + NV_TENSORRT_PATCH)

// The oldest version whose every function that is called here stands where these headers call it; minor versions append to NVIDIA's tables of virtual functions, and a call
// past the end of an older library's is a jump into nothing. ILayer::getMetadata is of 8.6, ICudaEngine::getDeviceMemorySizeV2 of 10.1; of 11 all are in 11.0. What is newer
// still is asked for by version below. native/tensorrt-headers.mjs passes headers over that are older.
#if NV_TENSORRT_MAJOR == 8
#define HALFSCOPE_TRT_LOWEST_MINOR 6
#elif NV_TENSORRT_MAJOR == 10
#define HALFSCOPE_TRT_LOWEST_MINOR 1
#else
#define HALFSCOPE_TRT_LOWEST_MINOR 0
#endif
#if NV_TENSORRT_MINOR < HALFSCOPE_TRT_LOWEST_MINOR
#error "These headers of TensorRT are too old: 8.6, 10.1, 11.0 or newer are needed."
#endif

// Weak typing (types per layer, builder flags for FP16) was removed in 11.
#define HALFSCOPE_TRT_WEAK (NV_TENSORRT_MAJOR < 11)
// Strongly typed networks, progress monitors, debug tensors, bfloat16 and int64 tensors: since 10.
#define HALFSCOPE_TRT_TEN (NV_TENSORRT_MAJOR >= 10)
// kSTRICT_NANS: since 10.6.
#define HALFSCOPE_TRT_STRICT_NANS (HALFSCOPE_TRT_HEADERS >= 100600)
// Values of shape tensors as 64-bit integers: since 10.11.
#define HALFSCOPE_TRT_WIDE_SHAPES (HALFSCOPE_TRT_HEADERS >= 101100)
// Debug tensors where fusion left them: since 10.12.
#define HALFSCOPE_TRT_UNFUSED (HALFSCOPE_TRT_HEADERS >= 101200)

namespace halfscope::trt {

/// Whether the library has INetworkDefinition::markDebug where these headers call it. 10.8 alone has a function more before it, which NVIDIA's notes of
/// 10.9 call an ABI breakage; with other headers the call would be one of addFillV2. What else is called of a network of 10.8 lies before both.
constexpr bool has_debug_tensors(int library_version) {
  constexpr int kMoved = 1008;
  return HALFSCOPE_TRT_TEN && (library_version / 100 == kMoved) == (HALFSCOPE_TRT_HEADERS / 100 == kMoved);
}

/// 10.6.0 is 100600; TensorRT 8 and 9 number themselves 8601 for 8.6.1.
constexpr int version_number(int reported) { return reported < 10000 ? reported / 1000 * 10000 + reported % 1000 / 100 * 100 + reported % 100 : reported; }

}  // namespace halfscope::trt
