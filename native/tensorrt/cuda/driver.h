#pragma once

// CUDA's driver library, loaded at run time. Declared by hand, as few functions as are needed: TensorRT brings its own runtime along, and a stream of the driver is one
// of the runtime too.

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/error.h"

struct CUstream_st;
struct CUevent_st;
struct CUctx_st;

namespace halfscope::cuda {

using Status = int;
using StreamPointer = CUstream_st*;
using EventPointer = CUevent_st*;
using ContextPointer = CUctx_st*;
using DeviceAddress = unsigned long long;

// name, parameters: as cuda.h has them; all return CUresult. Names with a version are those that cuda.h maps the plain ones to since CUDA 4 and 11.
#define HALFSCOPE_CUDA_FUNCTIONS(F)                                                    \
  F(cuInit, (unsigned flags))                                                          \
  F(cuDriverGetVersion, (int* version))                                                \
  F(cuGetErrorName, (Status error, const char** text))                                 \
  F(cuGetErrorString, (Status error, const char** text))                               \
  F(cuDeviceGetCount, (int* count))                                                    \
  F(cuDeviceGet, (int* device, int ordinal))                                           \
  F(cuDeviceGetName, (char* name, int length, int device))                             \
  F(cuDeviceGetAttribute, (int* value, int attribute, int device))                     \
  F(cuDeviceGetPCIBusId, (char* id, int length, int device))                           \
  F(cuDeviceTotalMem_v2, (std::size_t* bytes, int device))                             \
  F(cuDevicePrimaryCtxRetain, (ContextPointer* context, int device))                   \
  F(cuCtxSetCurrent, (ContextPointer context))                                         \
  F(cuMemGetInfo_v2, (std::size_t* free, std::size_t* total))                          \
  F(cuMemAlloc_v2, (DeviceAddress* address, std::size_t bytes))                        \
  F(cuMemFree_v2, (DeviceAddress address))                                             \
  F(cuMemHostAlloc, (void** memory, std::size_t bytes, unsigned flags))                \
  F(cuMemFreeHost, (void* memory))                                                     \
  F(cuMemcpyHtoDAsync_v2, (DeviceAddress to, const void* from, std::size_t bytes, StreamPointer stream)) \
  F(cuMemcpyDtoHAsync_v2, (void* to, DeviceAddress from, std::size_t bytes, StreamPointer stream))       \
  F(cuStreamCreate, (StreamPointer* stream, unsigned flags))                           \
  F(cuStreamDestroy_v2, (StreamPointer stream))                                        \
  F(cuStreamSynchronize, (StreamPointer stream))                                       \
  F(cuEventCreate, (EventPointer* event, unsigned flags))                              \
  F(cuEventDestroy_v2, (EventPointer event))                                           \
  F(cuEventRecord, (EventPointer event, StreamPointer stream))                         \
  F(cuEventSynchronize, (EventPointer event))                                          \
  F(cuEventElapsedTime, (float* milliseconds, EventPointer start, EventPointer end))

struct Api {
#define HALFSCOPE_CUDA_MEMBER(name, parameters) Status(*name) parameters = nullptr;
  HALFSCOPE_CUDA_FUNCTIONS(HALFSCOPE_CUDA_MEMBER)
#undef HALFSCOPE_CUDA_MEMBER
};

struct DeviceInfo {
  std::string name;
  int major = 0, minor = 0;
  std::uint64_t memory_bytes = 0;
  int processors = 0;
  /// What the driver serves: "13.0".
  std::string cuda;
  /// Of the driver: "580.95.05"; empty where the system does not tell.
  std::string driver;
  /// "0000:1b:00.0": the same whatever CUDA_VISIBLE_DEVICES hides or reorders.
  std::string pci_bus;
};

/// Loads the driver and takes the first visible device's primary context, once per process; later calls return the same.
/// Throws Error (kBackendUnavailable): no driver, no GPU. Safe from several threads.
const DeviceInfo& open();

/// After open().
const Api& api() noexcept;

/// The context becomes the calling thread's. Every thread that calls CUDA or TensorRT does this first.
void use_device();

/// Throws Error (`code`) with CUDA's name and text of a failure.
void check(Status status, const char* doing, ErrorCode code = ErrorCode::kEngineRun);

}  // namespace halfscope::cuda
